"""What can be checked before anything is asked for: each failure says which and what to do."""

from __future__ import annotations

import os
from pathlib import Path

from lightship_cluster.errors import ExitStatus, LightshipError


def find_folder(text: str) -> Path:
    """The folder of the notebook."""
    folder = _path(text)
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise LightshipError(f"The folder {folder} {what}. Choose another with -d.", ExitStatus.FOLDER)
    if not os.access(folder, os.R_OK | os.X_OK):
        raise LightshipError(f"You may not read the folder {folder}. Choose another with -d.", ExitStatus.FOLDER)
    return folder


def find_batch_script(batch: Path, text: str) -> Path:
    """A script of the site by its name below the batch folder, or the user's own by its path."""
    chosen = _path(text)
    for script in (chosen,) if text.startswith((".", "/", "~")) else (batch / text, chosen):
        if script.is_file() and os.access(script, os.R_OK):
            return script
    known = ", ".join(sorted(str(script.relative_to(batch)) for script in batch.glob("*/*.sh"))) or "none"
    raise LightshipError(
        f"There is no batch script {text!r} that you can read. This site has: {known}. "
        "Choose one with -b, or give the path of your own.",
        ExitStatus.BATCH_SCRIPT,
    )


def _path(text: str) -> Path:
    # Not resolved: a compute node may have the same name for the place, but another way to it.
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        return Path(text).absolute()
