"""The environment on the PATH: one that the user activated, or loaded modules."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightship_cluster.environments.base import Plain, Variables, refused
from lightship_cluster.environments.interfaces import Interface
from lightship_cluster.environments.jupyters import check_other, check_program


@dataclass(frozen=True)
class OnPath(Plain):
    """The job inherits the PATH, so there is nothing to enter."""

    # The command that set the PATH, for the advice if Jupyter is not on it.
    filled_by: str = ""

    def metadata(self) -> dict[str, Any]:
        """Only the kind."""
        return {"kind": "path"}

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Find the command on the PATH."""
        path = variables.get("PATH", os.defpath)
        if interface and not interface.jupyter:
            return check_other(interface, path)
        jupyter = shutil.which("jupyter", path=path)
        if jupyter:
            return check_program(Path(jupyter), interface, path, "pip install")
        if self.filled_by:
            raise refused(f"There is no 'jupyter' on the PATH after {self.filled_by}. Load the module that has it.")
        raise refused(
            "There is no 'jupyter' on your PATH. Activate the environment that has it, or name one with "
            "--venv, --conda, --module or --image."
        )
