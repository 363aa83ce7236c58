#!/usr/bin/env bash
# Runs every static check and prints its name first. All checks run; if any fails, the script ends with 1.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

failed=()
check() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

# Lists the shell scripts, by their first line, among the files that git tracks or would track.
shell_sources() {
  git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
    if [[ -f $file ]] && head -n 1 "$file" | LC_ALL=C grep -qaE '^#!.*\b(ba)?sh\b|^# shellcheck shell='; then
      printf '%s\0' "$file"
    fi
  done
}
shellcheck_all() { shell_sources | xargs -0 shellcheck --external-sources; }

scenarios() { molecule list --format plain >/dev/null; }

check "ruff: rules" ruff check --quiet .
check "ruff: form" ruff format --check --quiet .
check "mypy" mypy scripts tests
check "import-linter: rooms" env PYTHONPATH=scripts lint-imports --no-cache --no-logo
check "yamllint" yamllint --strict .
check "ansible-lint" ansible-lint -q
check "molecule: scenarios" scenarios
check "shellcheck" shellcheck_all
check "hadolint" hadolint images/notebook/Containerfile images/testhost/Containerfile
check "defaults equal argument specs" python scripts/dev/check_arguments.py
check "tables of variables equal argument specs" python scripts/dev/write_variable_tables.py --check

printf '\n'
if [[ ${#failed[@]} -gt 0 ]]; then
  printf 'lint failed: %s\n' "${failed[*]}" >&2
  exit 1
fi
echo "lint: all checks passed"
