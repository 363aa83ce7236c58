#!/usr/bin/env bash
# Installs the distribution's packages that the test bed and its tests need. As root it does so; otherwise it prints the
# one line to run. With everything there it says nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

engine=${CONTAINER_ENGINE:-podman}
needed=(ca-certificates chromium chromium-sandbox fonts-dejavu-core git iproute2 iptables libnss3-tools mmdebstrap nftables
  openssh-client openssl postgresql python3-venv zsh)
case $engine in
  podman) needed+=(podman runc netavark aardvark-dns) ;;
  docker) command -v docker >/dev/null || needed+=(docker.io) ;;
  *) echo "CONTAINER_ENGINE is \"$engine\"; set it to podman or docker." >&2; exit 2 ;;
esac

# Of Debian's prometheus the tests need one program. Installed whole, it would run a server on this machine: it is taken out.
promtool=.bed/bin/promtool
fetch_prometheus() { apt-get -o Acquire::Retries=3 -o APT::Sandbox::User= download prometheus; }
take_promtool() {
  local folder status=0
  if command -v promtool >/dev/null || [[ -x $promtool ]]; then return; fi
  echo "Taking promtool out of the package prometheus ..."
  folder=$(mktemp -d)
  # Lists of packages that are missing or old are fetched, where that is allowed.
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
# The tests start a PostgreSQL of their own. The package would also make one for this machine, and run it: unless its own
# configuration says no while it is installed. Afterwards the machine's administrator decides again.
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
