# shellcheck shell=bash
# Sourced by the other scripts: chooses the container engine and its settings. CONTAINER_ENGINE may be podman or docker.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

bed_state=.bed
export CONTAINER_ENGINE="${CONTAINER_ENGINE:-podman}"
# The engine's settings for the test bed. The machine's own settings do not change.
CONTAINERS_CONF="$PWD/$bed_state/containers.conf"
export CONTAINERS_CONF
mkdir -p "$bed_state"

fail() {
  echo "$*" >&2
  exit 1
}

# Podman's default limits fail if root may not raise its own, and crun needs control groups v2.
write_containers_conf() {
  local files processes runtime=""
  files=$(ulimit -Hn)
  processes=$(ulimit -Hu)
  [[ $files != unlimited && $files -le 65536 ]] || files=65536
  [[ $processes != unlimited && $processes -le 32768 ]] || processes=32768
  [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]] || runtime='runtime = "runc"'
  printf '%s\n' '[containers]' "default_ulimits = [\"nofile=$files:$files\", \"nproc=$processes:$processes\"]" \
    '[engine]' "$runtime" >"$CONTAINERS_CONF.$$"
  mv "$CONTAINERS_CONF.$$" "$CONTAINERS_CONF"
}

write_containers_conf
