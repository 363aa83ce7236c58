#!/bin/bash
# JupyterLab behind a Lightship link, for Slurm.
# start-jupyter submits this file and hands it two paths: the link's folder and the register-jupyter command.
# To change anything, copy it, edit the copy, and run: start-jupyter -b /path/to/your/copy.sh
#SBATCH --job-name=jupyterlab
#SBATCH --nodes=1
#SBATCH --ntasks=1
# A link serves one job once: a job that was requeued could not use it again.
#SBATCH --no-requeue
# Five minutes before the end register-jupyter is told, and warns in the terminals of the notebook. Until it runs, the
# signal is for nobody: remove both lines together, or keep the exec below.
#SBATCH --signal=B:USR1@300
trap '' USR1

# Whatever else is to be done before Jupyter starts goes here. Where Jupyter comes from is said to start-jupyter: --module, --venv,
# --conda or --image.

exec "$2" "$1" -- jupyter lab
