#!/usr/bin/env bash
# Install Deedbook itself into .venv, with its C++ core; where there is no C++ compiler, without it.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v c++ g++ clang++ >/dev/null; then
    echo "There is no C++ compiler here: the Python engine will run, which is some thirty times slower."
    export DEEDBOOK_WITHOUT_CORE=1
fi
PATH="$PWD/.venv/bin:$PATH" .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --no-deps \
    --no-build-isolation -e .
