#!/bin/bash
# %title behind a Lightship link, for OpenPBS and PBS Professional.
# start-jupyter submits this file and gives it two variables, for PBS hands a script no arguments: LIGHTSHIP_LINK, the
# link's folder, and LIGHTSHIP_REGISTER, the register-jupyter command.
# To change anything, copy it, edit the copy, and run: start-jupyter -b /path/to/your/copy.sh
#PBS -N %name
#PBS -l select=1
# A link serves one job once: a job that was started again could not use it.
#PBS -r n

# PBS would keep what is printed here on the node until the job is over.
exec >>"$LIGHTSHIP_LINK/job.log" 2>&1
# It starts jobs in your home with a fresh environment: go on where, and with what, you ran start-jupyter.
cd "${PBS_O_WORKDIR:-.}" || exit
export PATH="${PBS_O_PATH:-$PATH}"

# Whatever else is to be done before it starts goes here. Where Jupyter or the program comes from is said to start-jupyter:
# --module, --venv, --conda or --image.

%remark
exec "$LIGHTSHIP_REGISTER" "$LIGHTSHIP_LINK" %command
