#!/bin/bash
# Any other web program behind a Lightship link, on this machine, without a scheduler.
# start-jupyter runs this file and hands it two paths: the link's folder and the register-jupyter command.
# To change anything, copy it, edit the copy, and run: start-jupyter --here -b /path/to/your/copy.sh

# Whatever else is to be done before the program starts goes here. Where it comes from is said to start-jupyter: --module, --venv,
# --conda or --image.

# The command is what start-jupyter --app was told. One of your own stands behind two dashes:
# --app -- streamlit run app.py --server.port {port} --server.address localhost --server.headless true
exec "$2" "$1" --app
