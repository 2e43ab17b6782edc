"""Runs engines against each other: one call each in turn, round by round, only one at work at a time.

Each engine is a process of its own that stays alive for the run (protocol: bench/micro/serve.h).  Before and after every
round the machine's own memory bandwidth is measured; a round in which it moved by more than MOVED is dropped and
taken again, since something else was running.
"""

from __future__ import annotations

import json
import os
import platform
import select
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MOVED = 0.15
ROUND_SECONDS = 0.06  # each engine repeats short calls for about this long and gives the median
LONGEST_ANSWER = 300.0
NOT_QUIET = "no round was quiet"


class Engine:
    """One worker process.  `names` maps our case names to the engine's own."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: dict | None = None,
        names: dict | None = None,
        log: Path | None = None,
    ):
        self.name, self.names = name, names
        self.log = open(log, "w") if log else subprocess.DEVNULL  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            env={**os.environ, **(env or {})}, bufsize=0,
        )  # fmt: skip
        self.buffer = b""
        self.versions = self.read().get("versions", {})

    def read(self, seconds: float = LONGEST_ANSWER) -> dict:
        end = time.monotonic() + seconds
        out = self.process.stdout
        while b"\n" not in self.buffer:
            if not select.select([out], [], [], max(0.0, end - time.monotonic()))[0]:
                self.process.kill()
                raise TimeoutError(f"{self.name}: no answer in {seconds:.0f} s")
            part = os.read(out.fileno(), 65536)
            if not part:
                raise ConnectionError(f"{self.name}: ended with {self.process.wait()}")
            self.buffer += part
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)

    def ask(self, verb: str, case: str) -> dict:
        name = case if self.names is None else self.names.get(case)
        if name is None:
            return {"absent": True}
        try:
            self.process.stdin.write(f"{verb} {name}\n".encode())
            return self.read()
        except (OSError, TimeoutError, ConnectionError) as problem:
            return {"problem": str(problem)}

    def close(self) -> None:
        if self.process.poll() is None:
            try:
                self.process.stdin.write(b"quit\n")
                self.process.wait(20)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()


class Machine:
    """The machine's memory bandwidth with both halves of it at work, in GB/s."""

    def __init__(self, mib: int = 32, threads: int = 2):
        self.bytes = mib << 20
        self.pairs = [(np.ones(self.bytes, np.uint8), np.ones(self.bytes, np.uint8)) for _ in range(threads)]

    def once(self) -> float:
        work = [threading.Thread(target=np.copyto, args=(to, source)) for to, source in self.pairs]
        begin = time.perf_counter()
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        return 2 * self.bytes * len(work) / (time.perf_counter() - begin) / 1e9

    def bandwidth(self) -> float:
        return statistics.median(self.once() for _ in range(3))


@dataclass
class Series:
    ms: list[float] = field(default_factory=list)  # one per kept round
    problem: str = ""

    def summary(self) -> dict:
        if self.problem or not self.ms:
            return {"problem": self.problem or NOT_QUIET}
        low, _, high = statistics.quantiles(self.ms, n=4, method="inclusive") if len(self.ms) > 1 else self.ms * 3
        return {"ms": statistics.median(self.ms), "q1": low, "q3": high, "samples": self.ms}


def timed(engine: Engine, case: str, calls: int) -> tuple[float, str]:
    """(median ms of some calls, problem)"""
    ms = []
    for _ in range(calls):
        answer = engine.ask("time", case)
        if "ms" not in answer:
            return 0.0, answer.get("problem", "no time")
        ms.append(answer["ms"])
    return statistics.median(ms), ""


def run_case(case: str, engines: list[Engine], rounds: int, machine: Machine, seconds: float) -> dict:
    series: dict[str, Series] = {}
    calls: dict[str, int] = {}
    for engine in engines:
        answer = engine.ask("prepare", case)
        if answer.get("absent"):
            continue
        series[engine.name] = Series(problem=answer.get("problem", ""))
        if not series[engine.name].problem:
            ms, problem = timed(engine, case, 1)
            series[engine.name].problem = problem
            calls[engine.name] = max(1, min(9, int(ROUND_SECONDS * 1e3 / max(ms, 1e-3))))
    kept = dropped = 0
    bandwidths = [machine.bandwidth()]
    end = time.monotonic() + seconds
    while kept < rounds and kept + dropped < 4 * rounds and (time.monotonic() < end or kept < 3):
        order = [e for e in engines if e.name in calls and not series[e.name].problem]
        turn = (kept + dropped) % max(1, len(order))
        taken = {}
        for engine in order[turn:] + order[:turn]:
            taken[engine.name], problem = timed(engine, case, calls[engine.name])
            if problem:
                series[engine.name].problem = problem
                taken.pop(engine.name)
        bandwidths.append(machine.bandwidth())
        if abs(bandwidths[-1] / bandwidths[-2] - 1) > MOVED:
            dropped += 1
            continue
        kept += 1
        for name, ms in taken.items():
            series[name].ms.append(ms)
    for engine in engines:
        if engine.name in series:
            engine.ask("release", case)
    return {
        "rounds": kept,
        "dropped": dropped,
        "bandwidth": [round(b, 2) for b in bandwidths],
        "engines": {name: s.summary() for name, s in series.items()},
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def run(engines: list[Engine], cases: Sequence[str], rounds: int, seconds: float) -> dict:
    """Times every case on every engine that has it.  `seconds` bounds the rounds of one case."""
    machine = Machine()
    result = {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "engines": {e.name: e.versions for e in engines},
        "cases": {},
    }
    for case in cases:
        begin = time.monotonic()
        result["cases"][case] = run_case(case, engines, rounds, machine, seconds)
        done = result["cases"][case]
        print(
            f"{case}: {done['rounds']} rounds, {done['dropped']} dropped, {time.monotonic() - begin:.0f} s",
            file=sys.stderr,
        )
    return result
