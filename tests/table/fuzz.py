"""Many random calls from the table's rows on the device, under validation, with tensors around them that must not change.

    python tests/table/fuzz.py [--calls 10000] [--seed 20260101] [--jobs 2] [--only CALL]

Calls run in processes of a few hundred each; one that dies takes the call it was at, which is a failure, and another
goes on behind it.  What is done is kept in build/fuzz, so that the same command goes on where it was stopped
(--fresh starts over).  --only repeats a single call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CHUNK = 250


def child(seed: int, first: int, last: int, progress: Path) -> None:
    """Calls first to last - 1; a line of JSON for each once it is done, and one before it."""
    sys.path.insert(0, str(HERE))
    import engine

    engine.start()
    import draw
    import tensorflow_anvil
    from neighbours import Neighbours

    rows = draw.choices()
    around = Neighbours()
    with progress.open("a", buffering=1) as out:
        for n in range(first, last):
            d = draw.draw(seed, n, rows)
            out.write(json.dumps({"call": n, "begins": str(d)}) + "\n")
            found = draw.wrong(d)
            if n % 10 == 9 or n + 1 == last:
                try:
                    around.check()
                except AssertionError as e:
                    found.append(f"in this call or the nine before it: {e}")
                    around = Neighbours()
                if messages := tensorflow_anvil.stats()["validation_messages"]:
                    found.append(f"in this call or the nine before it: {messages} validation messages")
                    tensorflow_anvil.reset_stats()
            out.write(json.dumps({"call": n, "op": d.row.op, "kind": d.kind, "wrong": found}) + "\n")
    os._exit(0)


def results(progress: Path) -> tuple[dict[int, dict], dict | None]:
    """The calls that are done, and the one that was begun but not finished."""
    done, begun = {}, None
    for line in progress.read_text().splitlines() if progress.exists() else []:
        entry = json.loads(line)
        if "begins" in entry:
            begun = entry
        else:
            done[entry["call"]] = entry
    return done, begun if begun and begun["call"] not in done else None


def chunk(seed: int, first: int, last: int, folder: Path, limit: float) -> dict[int, dict]:
    progress = folder / f"{first:06}.jsonl"
    environment = {"ANVIL_SOFTWARE_DEVICE": "1", "ANVIL_GUARD": "1", "ANVIL_VALIDATE": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
                   "TF_ENABLE_ONEDNN_OPTS": "0", **os.environ}  # fmt: skip
    while True:
        done, _ = results(progress)
        start = next((n for n in range(first, last) if n not in done), None)
        if start is None:
            return done
        command = [sys.executable, __file__, "--child", f"{seed},{start},{last},{progress}"]
        errors = progress.with_suffix(".stderr")
        with errors.open("w") as stderr:
            try:
                how = f"exit status {subprocess.run(command, env=environment, stderr=stderr, timeout=limit).returncode}"
            except subprocess.TimeoutExpired:
                how = f"still running after {limit:.0f} s"
        done, begun = results(progress)
        if begun:
            entry = {
                "call": begun["call"],
                "op": begun["begins"].split()[0],
                "kind": "died",
                "wrong": [f"{begun['begins']}: {how}"],
            }
            with progress.open("a") as out:
                out.write(json.dumps(entry) + "\n")
        elif not any(n in done for n in range(start, last)):
            sys.exit(f"fuzz: nothing could be run, {how}\n{errors.read_text()[-2000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default: 2)")
    parser.add_argument("--limit", type=float, default=900, help="seconds that one process may take (default: 900)")
    parser.add_argument("--only", type=int, metavar="CALL", help="repeat one call")
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs did")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        seed, first, last, progress = options.child.split(",", 3)
        child(int(seed), int(first), int(last), Path(progress))
    folder = ROOT / "build" / "fuzz" / str(options.seed)
    first, last = (options.only, options.only + 1) if options.only is not None else (0, options.calls)
    if options.only is not None:
        folder = folder / "only"
    folder.mkdir(parents=True, exist_ok=True)
    if options.fresh or options.only is not None:
        for path in folder.glob("*.jsonl"):
            path.unlink()

    started = time.monotonic()
    done: dict[int, dict] = {}
    pieces = [(n, min(n + CHUNK, last)) for n in range(first, last, CHUNK)]
    with ThreadPoolExecutor(options.jobs) as pool:
        for found in pool.map(lambda p: chunk(options.seed, *p, folder, options.limit), pieces):
            done |= found
            print(f"{len(done)} calls, {sum(bool(e['wrong']) for e in done.values())} wrong", flush=True)
    bad = [e for e in done.values() if e["wrong"]]
    for e in bad:
        print(f"call {e['call']}: {e['op']}, {e['kind']}: {e['wrong'][0]}")
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(e["kind"] for e in done.values()).most_common())
    print(
        f"{len(done)} calls of {len({e['op'] for e in done.values()})} ops ({kinds}), seed {options.seed}, {time.monotonic() - started:.0f} s"
    )
    print(f"\n{len(done) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
