#!/bin/bash
# Any other web program behind a Lightship link, for OpenPBS and PBS Professional.
# start-jupyter submits this file and gives it two variables, for PBS hands a script no arguments: LIGHTSHIP_LINK, the
# link's folder, and LIGHTSHIP_REGISTER, the register-jupyter command.
# To change anything, copy it, edit the copy, and run: start-jupyter -b /path/to/your/copy.sh
#PBS -N app
#PBS -l select=1
# A link serves one job once: a job that was started again could not use it.
#PBS -r n

# PBS would keep what is printed here on the node until the job is over.
exec >>"$LIGHTSHIP_LINK/job.log" 2>&1
# It starts jobs in your home with a fresh environment: go on where, and with what, you ran start-jupyter.
cd "${PBS_O_WORKDIR:-.}" || exit
export PATH="${PBS_O_PATH:-$PATH}"

# Whatever else is to be done before the program starts goes here. Where it comes from is said to start-jupyter: --module, --venv,
# --conda or --image.

# The command is what start-jupyter --app was told. One of your own stands behind two dashes:
# --app -- streamlit run app.py --server.port {port} --server.address localhost --server.headless true
exec "$LIGHTSHIP_REGISTER" "$LIGHTSHIP_LINK" --app
