#!/usr/bin/env bash
# Prints a Python that the pinned packages run on (3.11 to 3.13), the oldest first because the oldest TensorFlow that
# `make test-versions` tries has no wheel for newer ones.
for candidate in python3.11 python3.12 python3.13 python3; do
  if "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    command -v "$candidate"
    exit 0
  fi
done
echo "no Python from 3.11 to 3.13 found; install one, or name it: make PYTHON=/path/to/python" >&2
exit 1
