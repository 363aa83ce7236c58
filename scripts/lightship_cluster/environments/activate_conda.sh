#!/bin/bash
# Runs what the packages of a conda environment want to be run when it is activated, and prints the variables after it.
# Argument: the environment's folder. PATH and CONDA_PREFIX are set already.
printf '\0lightship-began\0'
for script in "$1"/etc/conda/activate.d/*.sh; do
  # shellcheck source=/dev/null
  if [[ -r $script ]]; then . "$script"; fi
done
printf '\0lightship-variables\0'
exec /usr/bin/env -0
