#!/usr/bin/env bash
# Makes the repository's Python environment, .venv, from the pinned groups in pyproject.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Dependency groups need pip 25.1 or newer; the distribution's is older.
pip_version=26.3

# Not the environment's own Python, which make has found first, and which is removed below.
PATH=${PATH//"$PWD/.venv/bin:"/}
python="${PYTHON:-}"
if [ -z "$python" ]; then
  for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      python="$candidate"
      break
    fi
  done
fi
if [ -z "$python" ]; then
  echo "No Python 3.11 or newer found. Install one, or name it: make PYTHON=/path/to/python3.11" >&2
  exit 1
fi

echo "Making .venv with $("$python" --version) (about a minute) ..."
# A symbolic link is removed, not what it points to.
rm -rf .venv
"$python" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check "pip==$pip_version"
.venv/bin/pip install --disable-pip-version-check --progress-bar off --group dev |
  { grep --line-buffered -E '^(Collecting|Installing|Successfully)' || true; } | cut -c 1-150
# Its versions of some libraries are older than ours.
"$python" -m venv .venv/sslyze
.venv/bin/pip --python .venv/sslyze/bin/python install --quiet --disable-pip-version-check --group scanner
touch .venv/.complete
