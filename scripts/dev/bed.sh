#!/usr/bin/env bash
# Manages the containers of the test bed as a whole.
#   bed.sh up      ends with 0 when the bed that this checkout made last is still running, unchanged
#   bed.sh mark    remembers the running bed as this checkout's
#   bed.sh deployed      ends with 0 when the service on it was deployed from these playbooks and programs
#   bed.sh mark-deployed remembers that it was
#   bed.sh down    removes every container, volume and network of a bed, whichever checkout made it; `down pbs` removes the hosts
#                  that the scenario pbs made for itself, and prints their names
#   bed.sh clean   does the same, and removes the images
set -euo pipefail
# shellcheck source=scripts/dev/engine.sh
. "$(dirname "${BASH_SOURCE[0]}")/engine.sh"

label=label=lightship.bed
marker=$bed_state/bed
deployed=$bed_state/deployed

# A hash of everything that determines the bed: another port, host list or image means another bed.
source_hash() {
  { echo "${DEMO_PORT:-8443}"; find images/testhost tests/molecule/inventory tests/molecule/resources/engines \
    tests/molecule/resources/start_hosts.yml tests/molecule/default/create.yml -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; } | sha256sum | cut -c 1-16
}

# A hash of everything that site.yml reads.
deployed_hash() {
  find ansible roles scripts images/notebook tests/molecule/inventory -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum | sha256sum | cut -c 1-16
}

# A new container has a new id, so a bed that another checkout made again is not taken for this one's. The hosts that a
# scenario starts for itself have another value of the label, and only `down` counts them.
running() { "$CONTAINER_ENGINE" ps --quiet --no-trunc --filter "$label=yes" | LC_ALL=C sort; }

listed() { "$CONTAINER_ENGINE" "$1" ls --quiet --filter "$label" 2>/dev/null; }

# Removes the bed's containers and volumes.
remove_hosts() {
  local ids
  ids=$("$CONTAINER_ENGINE" ps --all --quiet --filter "$label")
  # Killed first: a test host needs no orderly shutdown, and removing would wait for one.
  # shellcheck disable=SC2086
  if [[ -n $ids ]]; then
    "$CONTAINER_ENGINE" kill $ids >/dev/null 2>&1 || true
    "$CONTAINER_ENGINE" rm --force --volumes $ids >/dev/null
  fi
  for volume in $(listed volume); do "$CONTAINER_ENGINE" volume rm --force "$volume" >/dev/null; done
}

remove() {
  remove_hosts
  for network in $(listed network); do "$CONTAINER_ENGINE" network rm "$network" >/dev/null; done
  # An engine that was killed while it started a host leaves its bridge, and with it the network's addresses, in use.
  for bridge in $(ip -o -4 address show to 10.89.77.1/32 2>/dev/null | awk '$2 ~ /^(podman|docker|br-)/ {print $2}'); do
    ip link delete "$bridge"
  done
  rm -f "$marker" "$deployed" "$bed_state/applied"
}

remove_images() {
  local images
  images=$("$CONTAINER_ENGINE" image ls --quiet --filter label=lightship.source | sort -u)
  # shellcheck disable=SC2086
  [[ -z $images ]] || "$CONTAINER_ENGINE" image rm --force $images >/dev/null
  "$CONTAINER_ENGINE" image rm --force localhost/lightship/debian:{bookworm,bullseye,trixie} >/dev/null 2>&1 || true
}

case ${1:-} in
  up) [[ -f $marker && $(cat "$marker") == "$(source_hash; running)" ]] ;;
  mark) { source_hash; running; } >"$marker" ;;
  deployed) [[ $(cat "$deployed" 2>/dev/null) == "$(deployed_hash)" ]] ;;
  mark-deployed)
    deployed_hash >"$deployed"
    # Tells scenario.sh that proxy.yml is deployed, for a role that builds on it.
    echo proxy.yml >>"$bed_state/applied"
    ;;
  down)
    if [[ ${2:-} == pbs ]]; then
      label=$label=pbs
      "$CONTAINER_ENGINE" ps --all --filter "$label" --format '{{ .Names }}'
      remove_hosts
    else
      remove
    fi
    ;;
  clean) remove; remove_images ;;
  *) fail "usage: bed.sh up|mark|deployed|mark-deployed|down [pbs]|clean" ;;
esac
