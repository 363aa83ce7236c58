#!/usr/bin/env bash
# Finds OpenPBS for the test bed, in the first place that has it, and checks its hash:
#   ../shared/openpbs/openpbs-23.06.06-trixie.tar.gz    built for Debian 13 on x86-64
#   github.com/openpbs/openpbs                          its public source, which the image builds in some minutes
# Copies it to .bed/openpbs/openpbs.tar.gz, and prints `built` or `source`. If no place has it, the script prints nothing, writes
# a sentence that says so to standard error and ends with 1: tests that need OpenPBS are then not run.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

readonly archive=../shared/openpbs/openpbs-23.06.06-trixie.tar.gz
readonly archive_sha256=98a72e7c3cd429afc560fabc7636049673bfcc03d5e6d94496a5e59e330a4a52
readonly commit=cd7ab5edaf03dcac2f1cb9e2f42d75eb117d468a
# The hash of all files of that commit, because a new archive of the same tree may have other bytes.
readonly tree_sha256=1b8484727c5685c8ea5757e0b958ff74f4e8e25208529e61cb75db5f48538b8b
readonly found=$bed_state/openpbs

is_built_archive() { [[ $(uname -m) == x86_64 ]] && sha256sum --check --status <<<"$archive_sha256  $1" 2>/dev/null; }

tree_of() {
  local folder
  folder=$(mktemp -d)
  tar -xzf "$1" -C "$folder" --strip-components=1 2>/dev/null || true
  (cd "$folder" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum | sha256sum | cut -d ' ' -f 1)
  rm -rf "$folder"
}

is_source() { [[ -f $1 && $(tree_of "$1") == "$tree_sha256" ]]; }

fetch_source() {
  curl --silent --fail --location --connect-timeout 5 --max-time 120 --output "$1" \
    "https://github.com/openpbs/openpbs/archive/$commit.tar.gz"
}

keep() {
  mkdir -p "$found"
  cp "$1" "$found/new" && chmod 0644 "$found/new" && mv "$found/new" "$found/openpbs.tar.gz"
  echo "$2" | tee "$found/kind"
}

if is_built_archive "$archive"; then
  keep "$archive" built
elif [[ $(cat "$found/kind" 2>/dev/null) == source ]] && is_source "$found/openpbs.tar.gz"; then
  echo source
else
  download=$(mktemp)
  trap 'rm -f "$download"' EXIT
  if fetch_source "$download" && is_source "$download"; then
    keep "$download" source
  else
    fail "OpenPBS is neither in ${archive%/*} nor to be had from github.com/openpbs/openpbs, so what needs a PBS cluster is not run."
  fi
fi
