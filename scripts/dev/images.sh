#!/usr/bin/env bash
# Builds the missing images of the test bed, two at a time: `images.sh bed` those of the demo's hosts,
# `images.sh` also those of the tests.
# Each image has a label with the hash of its sources, so a second call only compares hashes.
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

if [[ $CONTAINER_ENGINE == podman && $(id -u) != 0 ]]; then
  fail "The test bed needs root: only then do Podman's hosts have addresses that this machine reaches. Type sudo before make."
fi

prefix=localhost/lightship
context=$(mktemp -d "$bed_state/testhost.XXXXXX")
trap 'rm -rf "$context"' EXIT
started=$SECONDS

say() { printf '[images %3ds] %s\n' "$((SECONDS - started))" "$*"; }

# The build context: the folder, and this machine's extra certificate authorities.
make_context() {
  cp -R images/testhost/. "$context"
  mkdir -p "$context/authorities"
  touch "$context/authorities/.keep"
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$context/authorities/" \; 2>/dev/null || true
  wanted=$(cd "$context" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-16)
}

current() { [[ $("$CONTAINER_ENGINE" image inspect --format '{{ index .Config.Labels "lightship.source" }}' "$1" 2>/dev/null) == "$2" ]]; }

# Asks the registry once, with a short timeout: many machines cannot reach one, and must not wait for it.
registry_answers() {
  python3 - <<'PY' 2>/dev/null
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen("https://registry-1.docker.io/v2/", timeout=4)
except urllib.error.HTTPError as answer:
    sys.exit(answer.code != 401)
PY
}

base_image() {
  local release=$1 image=$prefix/debian:$1 log=$bed_state/log/debian-$1.log
  if "$CONTAINER_ENGINE" image inspect "$image" >/dev/null 2>&1; then return; fi
  if [[ $registry == yes ]] && "$CONTAINER_ENGINE" pull "docker.io/library/debian:$release-slim" >"$log" 2>&1; then
    "$CONTAINER_ENGINE" tag "docker.io/library/debian:$release-slim" "$image"
    "$CONTAINER_ENGINE" untag "docker.io/library/debian:$release-slim" 2>/dev/null ||
      "$CONTAINER_ENGINE" rmi "docker.io/library/debian:$release-slim" >/dev/null 2>&1 || true
    say "Debian $release: pulled"
    return
  fi
  say "Debian $release: making a base image from the distribution's packages ..."
  mmdebstrap --variant=minbase --include=ca-certificates "$release" "$bed_state/$release.tar" >"$log" 2>&1 || explain "$log"
  "$CONTAINER_ENGINE" import "$bed_state/$release.tar" "$image" >>"$log" 2>&1 || explain "$log"
  rm -f "$bed_state/$release.tar"
  say "Debian $release: base image ready"
}

build() {
  local target=$1 release=$2 image=$prefix/$1:$2 log=$bed_state/log/$1-$2.log
  shift 2
  if current "$image" "$wanted"; then return; fi
  say "$target on $release: building ..."
  "$CONTAINER_ENGINE" build --target "$target" --build-arg "BASE_IMAGE=$prefix/debian:$release" "$@" \
    --label "lightship.source=$wanted" --tag "$image" "$context" >"$log" 2>&1 || explain "$log"
  notices "$log"
  say "$target on $release: ready"
}

# OpenPBS is not available as a package. Without it everything runs except the scenario pbs, which says so itself.
build_pbs() {
  local kind
  kind=$(scripts/dev/openpbs.sh 2>"$bed_state/log/openpbs.log") || {
    say "$(<"$bed_state/log/openpbs.log")"
    return 0
  }
  mkdir -p "$context/openpbs"
  cp "$bed_state/openpbs/openpbs.tar.gz" "$context/openpbs/"
  build pbs trixie --build-arg "OPENPBS=$kind"
}

# Prints the notices of a successful build.
notices() {
  local line
  while read -r line; do say "$line"; done < <(grep -o 'NOTICE: .*' "$1" || true)
}

# Saves the base image for the images that the cluster's hosts build themselves.
save_base() {
  local archive=$bed_state/images/debian.tar
  if [[ -f $archive && $(cat "$archive.source" 2>/dev/null) == "$wanted" ]]; then return; fi
  mkdir -p "$bed_state/images"
  rm -f "$archive.new"
  "$CONTAINER_ENGINE" save --output "$archive.new" "$prefix/base:trixie" >/dev/null 2>&1 && chmod 0644 "$archive.new" &&
    mv "$archive.new" "$archive" && echo "$wanted" >"$archive.source"
}

explain() {
  tail -n 25 "$1" >&2
  fail "Building failed; the whole log is $1"
}

# Builds the images for the hosts of the demo and of most tests.
build_bed() {
  local bookworm cluster
  { base_image bookworm && build host bookworm; } &
  bookworm=$!
  base_image trixie && build base trixie && build host trixie || return
  build cluster trixie &
  cluster=$!
  build acme trixie && build work trixie && save_base && wait "$cluster" && wait "$bookworm"
}

build_others() {
  local python39
  { base_image bullseye && build python39 bullseye; } &
  python39=$!
  build_pbs && wait "$python39"
}

# Lets only one process at a time build a group of images: with_lock NAME COMMAND.
with_lock() {
  exec 9>"$bed_state/images-$1.lock"
  flock --nonblock 9 || {
    say "waiting for another build"
    flock 9
  }
  "$2"
  exec 9>&-
}

# Removes what older builds left. Not while another process builds: the stages of its images have no names yet, and would go too.
prune() {
  exec 8>"$bed_state/images-bed.lock" 9>"$bed_state/images-others.lock"
  if flock --nonblock 8 && flock --nonblock 9; then
    "$CONTAINER_ENGINE" image prune --force --filter label=lightship.source >/dev/null 2>&1 || true
  fi
  exec 8>&- 9>&-
}

mkdir -p "$bed_state/log"
make_context
registry=no
"$CONTAINER_ENGINE" image inspect "$prefix/debian:trixie" "$prefix/debian:bookworm" "$prefix/debian:bullseye" >/dev/null 2>&1 ||
  if registry_answers; then registry=yes; fi
with_lock bed build_bed
[[ ${1:-} == bed ]] || with_lock others build_others
prune
say "ready"
