#!/usr/bin/env bash
# Make .venv with a Python that every pinned wheel exists for, or say in one sentence what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

fits='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
chosen=
for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "$fits" 2>/dev/null; then
        chosen=$candidate
        break
    fi
done
if [ -z "$chosen" ]; then
    echo "Deedbook needs Python 3.11, 3.12 or 3.13 and found none on PATH; install one, or name it: make setup PYTHON=/path/to/python3" >&2
    exit 1
fi
if ! "$chosen" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$chosen has no venv module; install it (on Debian: apt-get install python3-venv) and run make again." >&2
    exit 1
fi
echo "Making .venv with $("$chosen" --version)."
rm -rf .venv
"$chosen" -m venv .venv
