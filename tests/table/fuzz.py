"""Many random calls from the table's rows on the device, under validation, with tensors around them that must not change.

    python tests/table/fuzz.py [--calls 10000] [--seed 20260101] [--jobs 2] [--only CALL]

Every op comes once before any comes again.  Calls run in processes of a few hundred each; one that dies takes the call
it was at, which is a failure unless it died in TensorFlow's own CPU kernel, and another goes on behind it.  What is done
is kept in build/fuzz, so that the same command goes on where it was stopped (--fresh starts over), with a list of the
calls per op.  --only repeats a single call.
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
    """Calls first to last - 1; a line of JSON for each once it is done, and one as it enters the CPU's kernel or ours."""
    sys.path.insert(0, str(HERE))
    import engine

    engine.start()
    import draw
    import tensorflow_anvil
    from neighbours import Neighbours

    rows = draw.choices()
    around = Neighbours()
    with progress.open("a", buffering=1) as out:

        def write(**entry) -> None:
            out.write(json.dumps(entry) + "\n")

        write(ops=[row.op for row, _ in rows])
        for n in range(first, last):
            d = draw.draw(seed, n, rows)
            found = draw.wrong(d, lambda where, n=n, d=d: write(call=n, op=d.row.op, begins=str(d), where=where))
            sentinels = 0
            try:
                around.check()
            except AssertionError as e:
                found.append(str(e))
                sentinels, around = 1, Neighbours()
            if messages := tensorflow_anvil.stats()["validation_messages"]:
                found.append(f"{messages} validation messages")
                tensorflow_anvil.reset_stats()
            write(call=n, op=d.row.op, kind=d.kind, what=str(d), wrong=found, messages=messages, sentinels=sentinels)
    os._exit(0)


def results(progress: Path) -> tuple[dict[int, dict], dict | None, list[str]]:
    """The calls that are done, the one that was begun but not finished, and the ops that calls are drawn from."""
    done, begun, ops = {}, None, []
    for line in progress.read_text().splitlines() if progress.exists() else []:
        entry = json.loads(line)
        if "ops" in entry:
            ops = entry["ops"]
        elif "begins" in entry:
            begun = entry
        else:
            done[entry["call"]] = entry
    return done, begun if begun and begun["call"] not in done else None, ops


def ended(process: subprocess.Popen, progress: Path, limit: float) -> str:
    """How the process came to its end: of itself, or after `limit` seconds in one call."""
    before = progress.stat().st_size if progress.exists() else 0
    size, since = -1, time.monotonic()
    while process.poll() is None:
        time.sleep(0.25)
        now = progress.stat().st_size if progress.exists() else 0
        if now != size:
            size, since = now, time.monotonic()
        elif time.monotonic() - since > (limit if now > before else 5 * limit):  # TensorFlow takes its time to start
            process.kill()
            process.wait()
            return f"no answer in {limit:.0f} s"
    return f"exit status {process.returncode}"


def chunk(seed: int, first: int, last: int, folder: Path, limit: float) -> tuple[dict[int, dict], list[str]]:
    progress = folder / f"{first:06}.jsonl"
    environment = {"ANVIL_SOFTWARE_DEVICE": "1", "ANVIL_GUARD": "1", "ANVIL_VALIDATE": "1", "TF_CPP_MIN_LOG_LEVEL": "3",
                   "TF_ENABLE_ONEDNN_OPTS": "0", **os.environ}  # fmt: skip
    while True:
        done, _, ops = results(progress)
        start = next((n for n in range(first, last) if n not in done), None)
        if start is None:
            return done, ops
        command = [sys.executable, __file__, "--child", f"{seed},{start},{last},{progress}"]
        errors = progress.with_suffix(".stderr")
        with errors.open("w") as stderr:
            how = ended(subprocess.Popen(command, env=environment, stderr=stderr), progress, limit)
        told = errors.read_text()
        if "validation layer is not installed" in told:
            sys.exit("fuzz: the Vulkan validation layer is not installed (vulkan-validationlayers)")
        done, begun, _ = results(progress)
        if begun:
            entry = begun | {"kind": "died", "what": begun["begins"], "wrong": [f"{how} {told[-300:]}"]}
            if begun["where"] == "CPU":  # nothing is known of the device's
                entry |= {"kind": "ends TensorFlow's CPU kernel", "wrong": []}
            del entry["begins"]
            with progress.open("a") as out:
                out.write(json.dumps(entry) + "\n")
        elif not any(n in done for n in range(start, last)):
            sys.exit(f"fuzz: nothing could be run, {how}\n{told[-2000:]}")


def report(done: dict[int, dict], ops: set[str], seed: int, folder: Path) -> int:
    """What is wrong, call by call, and how many calls each op had.  Returns the number of calls with a failure."""
    bad = [e for e in done.values() if e["wrong"]]
    for e in bad:
        print(f"--only {e['call']}: {e['what']}: {e['wrong'][0]}")
    calls, wrong = Counter(e["op"] for e in done.values()), Counter(e["op"] for e in bad)
    per_op = folder / "calls_per_op.txt"
    per_op.write_text("".join(f"{op} {calls[op]} calls, {wrong[op]} wrong\n" for op in sorted(ops)))
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(e["kind"] for e in done.values()).most_common())
    print(f"{len(done)} calls ({kinds}), seed {seed}")
    print(
        f"{len(calls)} ops of {len(ops)}, each {min(calls[op] for op in ops)} to {max(calls.values())} times: {per_op}"
    )
    print(f"{sum(e.get('messages', 0) for e in done.values())} validation messages, "
          f"{sum(e.get('sentinels', 0) for e in done.values())} calls wrote outside their tensors, "
          f"{sum(e['kind'] == 'died' for e in done.values())} ended the process")  # fmt: skip
    return len(bad)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (default: 2)")
    parser.add_argument("--limit", type=float, default=120, help="seconds that one call may take (default: 120)")
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
    ops: set[str] = set()
    pieces = [(n, min(n + CHUNK, last)) for n in range(first, last, CHUNK)]
    with ThreadPoolExecutor(options.jobs) as pool:
        for found, known in pool.map(lambda p: chunk(options.seed, *p, folder, options.limit), pieces):
            done |= found
            ops |= set(known)
            print(f"{len(done)} calls, {sum(bool(e['wrong']) for e in done.values())} wrong", flush=True)
    bad = report(done, ops, options.seed, folder)
    print(f"{time.monotonic() - started:.0f} s\n\n{len(done) - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
