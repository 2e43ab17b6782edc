"""The doctor: finds what is amiss with an environment for TensorFlow, and says the fix.

`collect` gathers the facts, and starts TensorFlow and the GPU's driver in processes of their own; `judge` makes findings
of them.  Neither raises, and neither needs a TensorFlow or a GPU that works.
"""

from __future__ import annotations

from tensorflow_anvil.doctor.finding import Finding, Severity

__all__ = ["Finding", "Severity", "doctor"]


def doctor(online: bool = False, quick: bool = False) -> list[Finding]:
    """What is amiss with this environment, the worst first.  Raises nothing.

    Each finding has `id`, `severity`, `title`, `evidence`, `fix` (a command to paste, or "") and `page`.  TensorFlow is
    started, in a process of its own, unless `quick`.  The package index is asked for newer versions only if `online`.
    """
    from tensorflow_anvil.doctor.collect import collect
    from tensorflow_anvil.doctor.judge import judge

    return judge(collect(online, start_seconds=0 if quick else 120))
