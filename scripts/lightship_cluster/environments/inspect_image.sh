#!/bin/sh
# Runs in a container and names the commands and packages of Jupyter's that are there: starting Jupyter would take a second.
for name in jupyter jupyter-lab jupyter-notebook jupyter-nbclassic voila; do
  if command -v "$name" >/dev/null 2>&1; then echo "$name"; fi
done
jupyter=$(command -v jupyter) || exit 0
prefix=${jupyter%/bin/jupyter}
for package in "$prefix"/lib/python3*/*-packages/jupyter_server-* "$prefix"/lib/python3*/*-packages/jupyterlab-* \
  "$prefix"/lib/python3*/*-packages/notebook-*; do
  if [ -e "$package" ]; then echo "${package##*/}"; fi
done
exit 0
