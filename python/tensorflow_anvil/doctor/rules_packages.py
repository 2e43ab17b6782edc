"""What can be amiss with the installed packages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tensorflow_anvil.doctor import support
from tensorflow_anvil.doctor.facts import Facts, Package
from tensorflow_anvil.doctor.finding import Finding, error, note, warning
from tensorflow_anvil.doctor.packages import KERASES, OURS, TENSORFLOWS, is_version, normal, requirement_class

# These come with the package `tensorflow`, which is empty where they are: together they are one.
PARTS = {"tensorflow-intel", "tensorflow-cpu-aws"}
METAL = ("tensorflow-metal", "tensorflow-metal-plugin")
RIVALS = {"tensorflow-directml-plugin"}  # known to offer devices of the type GPU too
NIGHTLY = {"tf-nightly", "tf-nightly-cpu", "keras-nightly", "tf-keras-nightly"}
SPECIFIC = {"numpy": "numpy-conflict", "protobuf": "protobuf-conflict", "keras": "keras-mixed"}
COMPILED = {*TENSORFLOWS, "numpy", "protobuf", "h5py", "grpcio", "scipy", "ml-dtypes"}
# What a failed import says when the packages are not named as conflicting by their own metadata.
SAYS_NUMPY = re.compile(r"numpy\.(core|_core)|compiled using NumPy|numpy\.dtype size changed|_ARRAY_API", re.I)
SAYS_PROTOBUF = re.compile(r"Descriptors cannot be created|google\.protobuf|protobuf gencode|runtime_version", re.I)


def pip(facts: Facts, *lines: str) -> str:
    """Lines of pip for this environment, to be pasted."""
    if facts.python.pip:
        return "\n".join(f"{facts.python.pip} {line}" for line in lines)
    start = f"{facts.python.executable} -m"
    return "\n".join([f"{start} ensurepip", *(f"{start} pip {line}" for line in lines)])


def said(facts: Facts) -> str:
    return "\n".join((facts.start.problem, *facts.start.details))


def present(facts: Facts, names: tuple[str, ...]) -> list[Package]:
    """Those of the names that are installed, once each."""
    found = (facts.package(name) for name in names)
    return [package for package in found if package]


def wholes(facts: Facts) -> list[Package]:
    """The packages that bring TensorFlow's files."""
    found = present(facts, TENSORFLOWS)
    return [p for p in found if p.name not in PARTS] or found


def minor(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:2])


def tensorflow_missing(facts: Facts) -> Iterator[Finding]:
    if not present(facts, TENSORFLOWS) and not facts.tensorflow.folder:
        wanted = support.tensorflow_wanted(facts.machine)
        seen = f"no package of {facts.python.prefix} brings a module tensorflow"
        yield error("tensorflow-missing", seen, fix=pip(facts, f'install "{wanted}"'))


def several_tensorflows(facts: Facts) -> Iterator[Finding]:
    found = wholes(facts)
    if len(found) > 1:
        names = [p.name for p in found]
        wanted = support.tensorflow_wanted(facts.machine)
        yield error(
            "several-tensorflows",
            *(f"{p.name} {p.version} in {p.folder}" for p in found),
            "they write the same files: what is imported is a mixture, and removing one breaks the other",
            fix=pip(facts, f"uninstall -y {' '.join(names)}", f'install "{wanted}"'),
        )


def tensorflow_damaged(facts: Facts) -> Iterator[Finding]:
    found = wholes(facts)
    broken = [p for p in found if p.missing]
    seen = [f"{p.name} {p.version} lacks {', '.join(p.missing)}" for p in broken]
    if found and not facts.tensorflow.folder:
        seen.append(f"{found[0].name} {found[0].version} is listed as installed, and there is no module tensorflow")
    if not found and facts.tensorflow.folder:
        seen.append(f"{facts.tensorflow.folder} is there, and belongs to no installed package")
    if seen:
        wanted = support.tensorflow_wanted(facts.machine)
        yield error("tensorflow-damaged", *seen, fix=pip(facts, f'install --force-reinstall --no-deps "{wanted}"'))


def tensorflow_shadowed(facts: Facts) -> Iterator[Finding]:
    files = facts.tensorflow.shadows
    if files:
        moves = []
        for file in files:
            thing = file[: -len("/__init__.py")] if file.endswith("/__init__.py") else file
            name, dot, suffix = thing.rpartition(".py")
            moves.append(f"mv '{thing}' '{name + '_mine.py' if dot and not suffix else thing + '_mine'}'")
        seen = (f"{file} is imported by programs that are started there" for file in files)
        yield error("tensorflow-shadowed", *seen, fix="\n".join(moves))


def tensorflow_unsupported(facts: Facts) -> Iterator[Finding]:
    oldest = support.TENSORFLOWS[0]
    for package in wholes(facts)[:1]:
        if package.name not in NIGHTLY and minor(package.version) < oldest and package.name != "tensorflow-macos":
            yield error(
                "tensorflow-unsupported",
                f"{package.name} {package.version} is installed; the plug-in works with {oldest[0]}.{oldest[1]} and later",
                fix=pip(facts, f'install --upgrade "{support.tensorflow_wanted(facts.machine)}"'),
            )


def tensorflow_macos(facts: Facts) -> Iterator[Finding]:
    package = facts.package("tensorflow-macos")
    if package:
        names = " ".join(p.name for p in wholes(facts))
        yield error(
            "tensorflow-macos",
            f"tensorflow-macos {package.version}; since 2.13 the package tensorflow itself is built for Apple Silicon",
            fix=pip(facts, f"uninstall -y {names}", f'install "{support.tensorflow_wanted(facts.machine)}"'),
        )


def tensorflow_metal(facts: Facts) -> Iterator[Finding]:
    for package in present(facts, METAL):
        files = [file for file, owner in facts.plugins.items() if owner == package.name]
        yield error(
            "tensorflow-metal",
            f"{package.name} {package.version}",
            *(f"TensorFlow loads {file}" for file in files),
            "both offer devices of the type GPU, and TensorFlow takes one plug-in of a type",
            fix=pip(facts, f"uninstall -y {package.name}"),
        )


def other_plugin(facts: Facts) -> Iterator[Finding]:
    for file, owner in facts.plugins.items():
        if owner in METAL or owner == "tensorflow-anvil":
            continue
        make = error if owner in RIVALS else warning
        fix = pip(facts, f"uninstall -y {owner}") if owner else f"mv '{file}' '{file}.off'"
        seen = f"TensorFlow loads {file}", f"it belongs to {owner or 'no installed package'}"
        yield make("other-plugin", *seen, fix=fix)


def tensorflow_cuda(facts: Facts) -> Iterator[Finding]:
    if facts.tensorflow.gpu_build:
        names = [p.name for p in wholes(facts)] or ["tensorflow"]
        yield error(
            "tensorflow-cuda",
            f"{facts.tensorflow.folder} was built with {facts.tensorflow.gpu_build}: "
            "it has kernels of its own for devices of the type GPU, which a plug-in cannot share",
            fix=pip(facts, f"uninstall -y {' '.join(names)}", f'install "{support.tensorflow_wanted(facts.machine)}"'),
        )


def keras_mixed(facts: Facts) -> Iterator[Finding]:
    tensorflow = (wholes(facts) or [None])[0]
    keras, legacy = facts.package("keras", "keras-nightly"), facts.package("tf-keras", "tf-keras-nightly")
    if tensorflow is None or minor(tensorflow.version) < support.TENSORFLOWS[0]:
        return  # older ones have other rules, and must go anyway
    version = ".".join(map(str, minor(tensorflow.version)))
    seen, wanted, gone = [], [], []
    if facts.package("keras") and facts.package("keras-nightly"):
        seen.append("keras and keras-nightly write the same files")
        gone.append("keras-nightly")
        wanted.append('"keras>=3"')
    if keras and minor(keras.version) < (3,):
        seen.append(f"{keras.name} {keras.version} is Keras 2; TensorFlow {tensorflow.version} works with Keras 3")
        wanted.append('"keras>=3"')
    if legacy and legacy.name not in NIGHTLY and minor(legacy.version) != minor(tensorflow.version):
        seen.append(f"{legacy.name} {legacy.version} is made for another TensorFlow than {tensorflow.version}")
        wanted.append(f'"tf-keras=={version}.*"')
    asked = facts.variables.get("TF_USE_LEGACY_KERAS", "").lower()
    if asked in ("1", "true") and not legacy:
        seen.append("TF_USE_LEGACY_KERAS is set, which needs Keras 2, the package tf-keras, and that is not installed")
        wanted.append(f'"tf-keras=={version}.*"')
    if seen:
        lines = [f"uninstall -y {' '.join(gone)}"] if gone else []
        # tf-keras asks for the package tensorflow, which on Linux has GPU support of its own.
        flag = " --no-deps" if any("tf-keras" in w for w in wanted) or gone else ""
        again = " --force-reinstall" if gone else ""
        lines.append(f"install{again}{flag} {' '.join(dict.fromkeys(wanted))}")
        yield error("keras-mixed", *seen, fix=pip(facts, *lines))


def keras_backend(facts: Facts) -> Iterator[Finding]:
    chosen = facts.variables.get("KERAS_BACKEND", "")
    if chosen and chosen != "tensorflow":
        yield warning("keras-backend", f"KERAS_BACKEND is {chosen}", fix="export KERAS_BACKEND=tensorflow")
    elif not chosen and facts.keras_backend not in ("", "tensorflow"):
        seen = f'the settings in keras.json say "backend": "{facts.keras_backend}"'
        yield warning("keras-backend", seen, fix="export KERAS_BACKEND=tensorflow")


def conda_pip_mixed(facts: Facts) -> Iterator[Finding]:
    if not facts.python.conda:
        return
    seen = []
    from_conda = [p.name for p in facts.packages if p.name in COMPILED and p.installer == "conda"]
    for package in facts.packages:
        listed = facts.conda_packages.get(package.name)
        if package.name in COMPILED and package.installer != "conda":
            if listed:
                seen.append(
                    f"{package.name}: conda lists {listed}, {package.installer or 'pip'} wrote {package.version}"
                )
            elif from_conda:
                seen.append(
                    f"{package.name} {package.version} is {package.installer or 'pip'}'s, {from_conda[0]} conda's"
                )
    if seen:
        # One that conda knows, and pip has written over, is mended by neither: a new environment is.
        yield warning("conda-pip-mixed", *seen, fix="tf-anvil doctor --fix")


def conflicts(facts: Facts) -> Iterator[tuple[Package, str, str, Package]]:
    """(package, name of what it needs, which versions, what is installed of it), as far as metadata tell."""
    parser = requirement_class()
    if parser is None:
        return
    for package in facts.packages:
        for text in package.requires:
            needed = parser(text)
            name = normal(needed.name)
            there = facts.package(name) or (facts.package(*TENSORFLOWS) if name in TENSORFLOWS else None)
            # Of a version that is none in pip's eyes nothing can be said.
            if there and is_version(there.version) and not needed.specifier.contains(there.version, prereleases=True):
                yield package, name, str(needed.specifier), there


def wishes(facts: Facts, name: str) -> str:
    """All that the packages want of one package, as pip takes it."""
    parser = requirement_class()
    if parser is None:
        return name
    texts = (parser(text) for package in facts.packages for text in package.requires)
    specifiers = sorted({str(s) for wish in texts if normal(wish.name) == name for s in wish.specifier})
    return f'"{name}{",".join(specifiers)}"'


def package_conflicts(facts: Facts) -> Iterator[Finding]:
    """protobuf-conflict, numpy-conflict, package-conflict."""
    grouped: dict[str, list[str]] = {}
    for package, name, wanted, there in conflicts(facts):
        # Whatever a wrong TensorFlow or Keras asks for or is asked for, other findings are about it.
        if name in (*TENSORFLOWS, *KERASES):
            continue
        seen = f"{package.name} {package.version} needs {name}{wanted}; {there.version} is installed"
        grouped.setdefault(name, []).append(seen)
    for name, pattern in (("numpy", SAYS_NUMPY), ("protobuf", SAYS_PROTOBUF)):
        there = facts.package(name)
        if name not in grouped and there and facts.start.problem and pattern.search(said(facts)):
            grouped[name] = [
                f"{name} {there.version} is installed, and importing TensorFlow fails: {facts.start.problem}"
            ]
    for name, seen in grouped.items():
        fix = pip(facts, f"install --force-reinstall --no-deps {wishes(facts, name)}")
        yield error(SPECIFIC.get(name, "package-conflict"), *seen, fix=fix)


def package_missing(facts: Facts) -> Iterator[Finding]:
    seen: dict[str, list[str]] = {}
    for package in facts.packages:
        for text in package.requires:
            name = normal(re.split(r"[^\w.-]", text, maxsplit=1)[0])
            there = facts.package(name) or (name in TENSORFLOWS and facts.package(*TENSORFLOWS))
            if not there:
                seen.setdefault(text, []).append(package.name)
    if seen:
        rows = (f"{', '.join(users)} needs {text}" for text, users in seen.items())
        wanted = " ".join(f'"{text}"' for text in seen)
        yield error("package-missing", *rows, fix=pip(facts, f"install {wanted}"))


def package_twice(facts: Facts) -> Iterator[Finding]:
    important = {*TENSORFLOWS, *KERASES, "tensorflow-anvil", "numpy", "protobuf", "h5py", "ml-dtypes"}
    places: dict[str, list[Package]] = {}
    for package in facts.packages:
        if package.name in important:
            places.setdefault(package.name, []).append(package)
    seen = []
    for name, found in places.items():
        if len({p.version for p in found}) > 1 or len({p.folder for p in found}) < len(found):
            seen += [f"{name} {p.version} in {p.folder}" for p in found]
    copies = [file for file in facts.plugins if OURS in file]
    if len(copies) > 1:
        seen += [f"TensorFlow loads {file}" for file in copies]
    if seen:
        names = dict.fromkeys(text.split()[0] for text in seen if not text.startswith("TensorFlow loads"))
        again = " ".join(names) or "tensorflow-anvil"
        yield error("package-twice", *seen, fix=pip(facts, f"uninstall -y {again}", f"install {again}"))


def tensorflow_import(facts: Facts) -> Iterator[Finding]:
    if facts.start.problem:
        details = [line.strip() for line in facts.start.details if line.strip() != facts.start.problem.strip()]
        yield error(
            "tensorflow-import",
            facts.start.problem,
            *details[-3:],
            fix=f'{facts.python.executable} -X faulthandler -c "import tensorflow"',
        )


def newer(facts: Facts) -> Iterator[Finding]:
    """newer-tensorflow, newer-anvil, index-unreachable: what the package index says."""
    if facts.index.problem:
        yield note("index-unreachable", facts.index.problem)
    for name, version in facts.index.newest.items():
        ours = name == "tensorflow-anvil"
        there = facts.package(name) if ours else (wholes(facts) or [None])[0]
        here = facts.anvil.version if ours else there.version if there else ""
        # A TensorFlow that this Anvil has no shim for is no advice to follow.
        fits = ours or minor(version) <= support.TENSORFLOWS[1]
        if here and fits and release(here) < release(version):
            seen = f"{version} is in the package index; {here} is installed"
            fix = pip(facts, f'install --upgrade "{name}=={version}"')
            yield note("newer-anvil" if ours else "newer-tensorflow", seen, fix=fix)


def release(version: str) -> tuple[int, ...]:
    """The numbers of a version, those of 2.21.0rc1 being lower than those of 2.21.0."""
    numbers = re.match(r"[\d.]+", version)
    rest = version[numbers.end() :] if numbers else ""
    parts = [int(n) for n in (numbers[0] if numbers else "0").strip(".").split(".")]
    return (*parts, *[0] * (4 - len(parts)), -1 if re.match(r"\.?(a|b|rc|dev)", rest) else 0)


RULES = (
    tensorflow_macos,
    several_tensorflows,
    tensorflow_metal,
    other_plugin,
    tensorflow_cuda,
    tensorflow_missing,
    tensorflow_damaged,
    tensorflow_shadowed,
    tensorflow_unsupported,
    keras_mixed,
    conda_pip_mixed,
    package_conflicts,
    package_missing,
    package_twice,
    tensorflow_import,
    keras_backend,
    newer,
)
