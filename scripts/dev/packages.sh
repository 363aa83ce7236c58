#!/usr/bin/env bash
# Installs the distribution's packages that the test bed and its tests need, if it runs as root; otherwise it prints the
# one line to run. If everything is installed, it prints nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

engine=${CONTAINER_ENGINE:-podman}
needed=(ca-certificates chromium chromium-sandbox firefox-esr fonts-dejavu-core git iproute2 iptables libnss3-tools mmdebstrap
  nftables openssh-client openssl postgresql python3-seccomp python3-venv testssl.sh zsh)
case $engine in
  podman) needed+=(podman runc netavark aardvark-dns) ;;
  docker) command -v docker >/dev/null || needed+=(docker.io) ;;
  *) echo "CONTAINER_ENGINE is \"$engine\"; set it to podman or docker." >&2; exit 2 ;;
esac

# The tests need only promtool of Debian's package prometheus. The installed package would run a server on this machine, so
# only that program is extracted.
promtool=.bed/bin/promtool
fetch_prometheus() { apt-get -o Acquire::Retries=3 -o APT::Sandbox::User= download prometheus; }
take_promtool() {
  local folder status=0
  if command -v promtool >/dev/null || [[ -x $promtool ]]; then return; fi
  echo "Taking promtool out of the package prometheus ..."
  folder=$(mktemp -d)
  # If the package lists are missing or old, it fetches them, where that is allowed.
  (cd "$folder" && { fetch_prometheus || { apt-get update && fetch_prometheus; }; } >log 2>&1 &&
    dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool) || status=$?
  if [[ $status == 0 ]]; then
    mkdir -p "${promtool%/*}"
    mv "$folder/usr/bin/promtool" "$promtool"
  else
    tail -n 20 "$folder/log" >&2
    echo "The package prometheus cannot be fetched. Run apt-get update, and try again; or install promtool on your PATH." >&2
  fi
  rm -rf "$folder"
  return "$status"
}

missing=()
for package in "${needed[@]}"; do
  [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || { take_promtool; exit; }

retry=(-o Acquire::Retries=3)
install=(apt-get "${retry[@]}" install --yes --no-install-recommends "${missing[@]}")
if [[ $(id -u) != 0 ]]; then
  printf 'Some packages are missing. Run this once, then try again:\n    sudo apt-get update && sudo apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
  exit 1
fi
# The tests start their own PostgreSQL. The package would also create and run a server for this machine, unless its
# configuration forbids that during the installation. Afterwards the machine's administrator decides again.
clusters=/etc/postgresql-common/createcluster.d
mkdir -p "$clusters"
echo 'create_main_cluster = false' >"$clusters/lightship.conf"
trap 'rm -f "$clusters/lightship.conf"' EXIT
echo "Installing ${#missing[@]} packages: ${missing[*]} ..."
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
if ! { apt-get "${retry[@]}" update && "${install[@]}"; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  echo "Installing failed; the whole log is $log" >&2
  exit 1
fi
rm -f "$log"
take_promtool
