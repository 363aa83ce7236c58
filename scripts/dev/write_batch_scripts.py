#!/usr/bin/env python3
"""Writes the batch scripts that users start and copy, one for each scheduler and interface.

They are made from the templates in scripts/lightship_cluster/batch, one for each scheduler.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from build_zipapps import SCRIPTS, write_texts

TEMPLATES = SCRIPTS / "lightship_cluster" / "batch"


class Template(string.Template):
    """A template with %, since the shell uses $."""

    delimiter = "%"


@dataclass(frozen=True)
class Interface:
    """An interface: its title, the arguments of register-jupyter, and a remark above them."""

    title: str
    command: str
    remark: str = ""


# By the name of the job and of the script.
INTERFACES = {
    "notebook": Interface("Jupyter Notebook", "-- jupyter notebook"),
    "jupyterlab": Interface("JupyterLab", "-- jupyter lab"),
    "classic": Interface("The classic notebook", "-- jupyter nbclassic"),
    "voila": Interface(
        "Dashboards of Voila",
        "-- jupyter server --ServerApp.default_url=/voila",
        "# Voila as a part of Jupyter's server: Voila's own knows neither the link's certificate nor its token.",
    ),
    "app": Interface(
        "Any other web program",
        "--app",
        "# The command is what start-jupyter --app was told. One of your own stands behind two dashes:\n"
        "# --app -- streamlit run app.py --server.port {port} --server.address localhost --server.headless true",
    ),
}


def scripts() -> dict[str, str]:
    """Return the text of each script by its path, such as batch/slurm/notebook.sh."""
    return {
        f"batch/{template.stem}/{name}.sh": _script(template.read_text("utf-8"), name, interface)
        for template in sorted(TEMPLATES.glob("*.sh"))
        for name, interface in INTERFACES.items()
    }


def _script(template: str, name: str, interface: Interface) -> str:
    # Where there is no remark, its line goes too.
    return Template(template).substitute(vars(interface), name=name).replace("\n\n\n", "\n\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Write all batch scripts."""
    return write_texts(argv, "the batch scripts", scripts, 0o755)


if __name__ == "__main__":
    sys.exit(main())
