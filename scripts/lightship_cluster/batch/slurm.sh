#!/bin/bash
# %title behind a Lightship link, for Slurm.
# start-jupyter submits this file and hands it two paths: the link's folder and the register-jupyter command.
# To change anything, copy it, edit the copy, and run: start-jupyter -b /path/to/your/copy.sh
#SBATCH --job-name=%name
#SBATCH --nodes=1
#SBATCH --ntasks=1
# A link serves one job once: a job that was requeued could not use it again.
#SBATCH --no-requeue
# Five minutes before the end register-jupyter is told, and warns in the job's log and in the notebook's terminals. Until it
# runs, the signal is for nobody: remove both lines together, or keep the exec below.
#SBATCH --signal=B:USR1@300
trap '' USR1

# Whatever else is to be done before it starts goes here. Where Jupyter or the program comes from is said to start-jupyter:
# --module, --venv, --conda or --image.

%remark
exec "$2" "$1" %command
