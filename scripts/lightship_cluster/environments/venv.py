"""A virtual environment, or any other folder with Jupyter in its `bin`, by its path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightship_cluster.core.paths import is_folder, is_there
from lightship_cluster.environments.base import Plain, Variables, refused, with_path
from lightship_cluster.environments.interfaces import Interface
from lightship_cluster.environments.jupyters import check_folder


@dataclass(frozen=True)
class Venv(Plain):
    """Does what sourcing `activate` would do, without a shell."""

    folder: Path

    def metadata(self) -> dict[str, Any]:
        """The path of the environment."""
        return {"kind": "venv", "path": str(self.folder)}

    def check(self, interface: Interface | None, variables: Variables) -> str:
        """Check the folder and its Jupyter."""
        if not is_folder(self.folder):
            what = "is not a folder" if is_there(self.folder) else "does not exist"
            raise refused(f"The environment {self.folder} {what}. Make it (python3 -m venv) or choose another path.")
        if not os.access(self.folder / "bin", os.R_OK | os.X_OK):
            raise refused(f"The folder {self.folder} is no environment that you can use: it has no 'bin' for you.")
        return check_folder(self.folder, interface, variables, f"{self.folder}/bin/pip install")

    def enter(self, variables: Variables) -> dict[str, str]:
        """Put the environment first on the PATH, and drop PYTHONHOME, which names another Python."""
        kept = {name: value for name, value in variables.items() if name != "PYTHONHOME"}
        return {**with_path(kept, self.folder / "bin"), "VIRTUAL_ENV": str(self.folder)}
