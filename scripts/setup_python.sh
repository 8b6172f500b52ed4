#!/usr/bin/env bash
# Create the virtual environment and install the backend in it, against the pinned versions. Idempotent.
set -euo pipefail
venv=${1:?usage: setup_python.sh VENV}

python=""
for candidate in "${PYTHON_FOR_VENV:-}" python3.12 python3.11 python3.13 python3.10 python3; do
  if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "No Python 3.10 to 3.13 was found. Install one, or name it: PYTHON_FOR_VENV=/path/to/python make setup" >&2
  exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv" || {
    echo "The virtual environment could not be made; on Debian and Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
fi
# not compiled: thousands of modules that are never imported would be
pip=("$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt)
# torch by name and version first: a bare range would bring gigabytes of CUDA libraries along
"${pip[@]}" "$(grep '^torch==' constraints.txt)" setuptools wheel
"${pip[@]}" --no-build-isolation -e '.[dev]'
