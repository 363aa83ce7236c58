#!/bin/bash
# %title behind a Lightship link, on this machine, without a scheduler.
# start-jupyter runs this file and hands it two paths: the link's folder and the register-jupyter command.
# To change anything, copy it, edit the copy, and run: start-jupyter --here -b /path/to/your/copy.sh

# Whatever else is to be done before it starts goes here. Where Jupyter or the program comes from is said to start-jupyter:
# --module, --venv, --conda or --image.

%remark
exec "$2" "$1" %command
