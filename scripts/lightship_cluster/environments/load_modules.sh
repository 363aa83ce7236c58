#!/bin/bash
# Loads environment modules and prints the variables that they leave.
# Arguments: the PATH as it was before this shell's start-up files, then the modules' names.
printf '\0lightship-began\0'
# A login shell's start-up files begin with a PATH of their own; what the user has activated must stay.
[[ -z $1 ]] || PATH=$1
shift
if ! type module >/dev/null 2>&1; then
  # Start-up files that leave before they come to it, or a shell that has none.
  for init in "${MODULESHOME:-/usr/share/modules}/init/bash" "${LMOD_PKG:-/usr/share/lmod/lmod}/init/bash" \
    /etc/profile.d/lmod.sh /etc/profile.d/modules.sh; do
    # shellcheck source=/dev/null
    if [[ -r $init ]]; then . "$init" && type module >/dev/null 2>&1 && break; fi
  done
fi
if ! type module >/dev/null 2>&1; then
  echo "this host has no 'module' command" >&2
  exit 127
fi
for name in "$@"; do
  module load "$name" || exit
done
# With its whole path: a module may put another program of that name on PATH.
printf '\0lightship-variables\0'
exec /usr/bin/env -0
