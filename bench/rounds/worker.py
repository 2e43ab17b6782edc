"""The engine's side of an interleaved comparison: answers the conductor's requests, one line each (see bench/micro/serve.h)."""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from rounds.cases import Call, Check


@dataclass(frozen=True)
class Timed:
    """What a call returns when it takes its own time, because the whole call is more than the case."""

    ms: float


def serve(engine: str, versions: dict, cases: dict[str, Callable[[], tuple[Call, Check]]]) -> None:
    """`cases[name]()` makes the case ready: (one call that returns when the device is done, a check that raises)."""
    # What libraries print must not mix with the answers: they get standard error.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    ready: dict[str, tuple[Call, Check]] = {}

    def answer(verb: str, name: str) -> dict:
        if verb == "prepare":
            if name not in cases:
                return {"absent": True}
            call, check = cases[name]()
            call()
            call()
            check()
            ready[name] = call, check
            return {"ok": True}
        if verb == "time":
            call = ready[name][0]
            begin = time.perf_counter()
            own = call()
            return {"ms": own.ms if isinstance(own, Timed) else (time.perf_counter() - begin) * 1e3}
        if verb == "release":
            ready.pop(name, None)
            gc.collect()
            return {"ok": True}
        raise ValueError(f"unknown request {verb}")

    print(json.dumps({"engine": engine, "versions": versions}), file=out)
    for line in sys.stdin:
        verb, _, name = line.strip().partition(" ")
        if verb == "quit":
            break
        try:
            reply = answer(verb, name)
        except Exception as problem:  # any failure of an engine is a result to report, not the end of the run
            reply = {"problem": f"{type(problem).__name__}: {problem}"[:300]}
        print(json.dumps(reply), file=out)
    os._exit(0)  # some engines do not survive their own tear-down
