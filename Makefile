# make          the same as make train
# make train    set up, build, install into .venv, train examples/train_digits.py on the GPU and on the CPU, report
# make test     everything: lint, host tests, sanitizers, op table, Python and training tests
# make check    the quick part of it
# make test-metal  the Metal driver on Linux, whole: every op, training in TensorFlow, sanitizers, coverage, broken drivers
# make models   common models on the device against the CPU; minutes each on a software device (MODELS="GPT U-Net" runs those)
# Every target sets up what it needs and does only what changed.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := train

VENV := .venv
PYTHON ?= $(shell tools/find_python.sh)
JOBS ?= $(shell nproc)

# A developer's own environment must not leak in: tools are taken from .venv, packages too.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV CONDA_PREFIX
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

READY := $(VENV)/.ready
INSTALLED := build/.installed
MODEL_PACKAGES := .cache/models

.PHONY: train test test-metal check models wheel install build test-versions bench bench-peers lint format setup clean

train: install
	python -m tensorflow_anvil.report examples/train_digits.py --out out

# STAGES="host table" runs just these (python tools/run_tests.py --list names them).
test: $(READY)
	python tools/run_tests.py $(if $(STAGES),--only $(STAGES))

test-metal: $(READY)
	python tools/run_tests.py --metal $(if $(STAGES),--only $(STAGES))

check: $(READY)
	python tools/run_tests.py --quick

# Wheels for others: a shim for each TensorFlow, checked contents, tagged for the C library it needs.
wheel: build
	python tools/package.py --release

test-versions: wheel
	python tools/test_versions.py

models: install $(MODEL_PACKAGES)/.ready
	python tests/models/run.py $(if $(MODELS),--models $(MODELS))

# Packages that only some models need lie beside .venv, as their dependencies are not wanted.
$(MODEL_PACKAGES)/.ready: tests/models/requirements.txt $(READY)
	rm -rf $(MODEL_PACKAGES)
	python -m pip install --quiet --no-deps --target $(MODEL_PACKAGES) -r $<
	touch $@

bench: install
	python bench/run.py

bench-peers: install
	python bench/peers/run.py

lint: build
	python tools/lint.py

format: $(READY)
	python tools/lint.py --fix

build: $(READY)
	cmake --preset release --log-level=WARNING
	cmake --build --preset release

# The wheel for this machine, installed in .venv when anything in it changed.
install: build
	python tools/package.py --install $(INSTALLED)

setup: $(READY)

.PHONY: system
system:
	@tools/setup.sh

# pip runs when requirements-dev.txt changed; the system packages are looked at every time (some milliseconds).
$(READY): requirements-dev.txt | system
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -r requirements-dev.txt
	touch $@

# Downloads, compiled kernels (.cache) and .venv stay: they are only ever used for what they were made from.
clean:
	rm -rf build dist out
