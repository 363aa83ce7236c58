#!/usr/bin/env bash
# Installs what `make bench-peers` measures and measures with, if it runs as root; otherwise it prints the one line to run.
# Only this benchmark needs these programs, so `make setup` does not install them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."

proxy_version=5.3.0
needed=(apache2 caddy curl haproxy libnginx-mod-http-lua lua-resty-core nginx wrk)
# npm of another source, such as NodeSource's nodejs, is as good as Debian's.
command -v npm >/dev/null || needed+=(nodejs npm)

missing=()
for package in "${needed[@]}"; do
  [[ $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
if [[ ${#missing[@]} -gt 0 ]]; then
  install=(apt-get -o Acquire::Retries=3 install --yes --no-install-recommends "${missing[@]}")
  if [[ $(id -u) != 0 ]]; then
    printf 'Some packages are missing. Run this once, then try again:\n    sudo apt-get update && sudo apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
    exit 1
  fi
  echo "Installing ${#missing[@]} packages: ${missing[*]} ..."
  # Their packages would start servers on this machine's ports; the policy forbids that during the installation.
  policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get -o Acquire::Retries=3 update && "${install[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "Installing failed; the whole log is $log" >&2
    exit 1
  fi
  rm -f "$log"
fi

folder=.bed/peers
if [[ $(node -p "require('./$folder/node_modules/configurable-http-proxy/package.json').version" 2>/dev/null) != "$proxy_version" ]]; then
  echo "Installing configurable-http-proxy $proxy_version into $folder ..."
  mkdir -p "$folder"
  npm install --silent --no-audit --no-fund --prefix "$folder" "configurable-http-proxy@$proxy_version"
fi
command -v traefik >/dev/null || apt-cache show traefik >/dev/null 2>&1 ||
  echo "traefik: not measured, because this distribution has no package of it."
