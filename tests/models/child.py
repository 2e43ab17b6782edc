"""The processes in which models run, and the CPU's results that are kept."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import zoo

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = ROOT / "build" / "models-cpu"
PACKAGES = ROOT / ".cache" / "models"  # what some models need, without its dependencies: make models installs it
MODULES = ("language", "vision", "loops", "legacy", "applications")  # the big ones last


def zoo_of() -> list[zoo.Model]:
    """All models, in order of their files; read in a process of its own, as TensorFlow must not be loaded in this one."""
    listing = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import importlib, json, zoo\n"
        f"for m in {MODULES!r}: importlib.import_module(m)\n"
        "print('ZOO ' + json.dumps([{**vars(m), 'train': m.train.__module__} for m in zoo.ZOO.values()]))"
    )
    env = environment(gpu=False, model=None)
    done = subprocess.run([sys.executable, "-c", listing], env=env, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("ZOO ")]
    if not lines:
        raise SystemExit(done.stderr)
    return [zoo.Model(**facts) for facts in json.loads(lines[-1][4:])]


def environment(gpu: bool, model: zoo.Model | None) -> dict[str, str]:
    env = {
        "ANVIL_SOFTWARE_DEVICE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",  # the CPU's plain kernels are what the results are compared with
        **os.environ,
    }
    if PACKAGES.is_dir():
        env["PYTHONPATH"] = os.pathsep.join(p for p in (env.get("PYTHONPATH"), str(PACKAGES)) if p)
    if model and model.package == "tf_keras":
        env["TF_USE_LEGACY_KERAS"] = "1"
    if not gpu:
        env["ANVIL_DEVICE"] = "none"
    return env


def missing_package(model: zoo.Model) -> str:
    return model.package if model.package and not (PACKAGES / model.package).is_dir() else ""


def last_words(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if re.search(r"error|fatal|abort|assert|terminate|core", line, re.I)]
    return (lines or stderr.splitlines() or [""])[-1][:600]


Job = tuple[zoo.Model, dict]  # a model and one of its variants


def key(job: Job) -> tuple[str, str]:
    model, variant = job
    return model.name, json.dumps(variant)


def run(jobs: list[Job], gpu: bool, limit: float) -> dict[tuple[str, str], dict]:
    """The jobs' results; all in one process.  One that dies takes the job it was at; another does the rest."""
    done: dict[tuple[str, str], dict] = {}
    if package := next((m.package for m, _ in jobs if missing_package(m)), ""):
        return {key(job): {"error": f"{PACKAGES}/{package} is not installed"} for job in jobs}
    while left := [job for job in jobs if key(job) not in done]:
        wanted = [{"model": m.name, **variant} for m, variant in left]
        spec = {"modules": sorted({m.train for m, _ in left}), "jobs": wanted}
        command = [sys.executable, str(HERE / "worker.py"), json.dumps(spec)]
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            try:
                status = subprocess.run(
                    command, env=environment(gpu, left[0][0]), stdout=out, stderr=err, timeout=limit * len(left)
                ).returncode
                how = f"ended with status {status}" if status >= 0 else f"killed by signal {-status}"
            except subprocess.TimeoutExpired:
                how = f"still running after {limit * len(left):.0f} s"
            out.seek(0)
            err.seek(0)
            lines, stderr = out.read().splitlines(), err.read()
        results = [json.loads(line[7:]) for line in lines if line.startswith("RESULT ")]
        for job, result in zip(left, results, strict=False):
            done[key(job)] = result
        if len(results) < len(left):
            died = {"error": f"{how}: {last_words(stderr)}", "words": stderr[-3000:]}
            done[key(left[len(results)])] = died
    return done


def kept_at(model: zoo.Model, variant: dict) -> Path:
    """Named after all that the result depends on: the models' sources, the versions, the variant."""
    h = hashlib.sha256()
    for path in (HERE / f"{model.train}.py", HERE / "zoo.py", HERE / "worker.py"):
        h.update(path.read_bytes())
    versions = [importlib.metadata.version(p) for p in ("tensorflow-cpu", "keras", "numpy")]
    h.update(json.dumps([model.name, variant, versions]).encode())
    return KEPT / f"{model.name.replace(' ', '-')}-{h.hexdigest()[:16]}.json"


def on_cpu(jobs: list[Job], limit: float, fresh: bool) -> dict[tuple[str, str], dict]:
    found, wanted = {}, []
    for job in jobs:
        path = kept_at(*job)
        if path.is_file() and not fresh:
            found[key(job)] = json.loads(path.read_text())
        else:
            wanted.append(job)
    results = run(wanted, gpu=False, limit=limit) if wanted else {}
    KEPT.mkdir(parents=True, exist_ok=True)
    for job in wanted:
        result = found[key(job)] = results[key(job)]
        if "error" not in result:
            kept_at(*job).write_text(json.dumps(result))
    return found


def on_device(jobs: list[Job], limit: float) -> dict[tuple[str, str], dict]:
    return run(jobs, gpu=True, limit=limit)
