"""Checks the folder and the batch script before anything is created."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.paths import absolute, is_file
from lightship_cluster.core.texts import quoted


def find_folder(text: str) -> Path:
    """Find the top folder of the notebook."""
    folder = absolute(text)
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except PermissionError:
        raise _forbidden(folder) from None
    except (FileNotFoundError, NotADirectoryError):
        raise LightshipError(
            f"The folder {folder} does not exist. Choose another with -d.", ExitStatus.FOLDER
        ) from None
    except OSError as error:
        sentence = f"The folder {folder} cannot be used ({error.strerror}). Choose another with -d."
        raise LightshipError(sentence, ExitStatus.FOLDER) from error
    if not is_folder:
        raise LightshipError(f"The folder {folder} is not a folder. Choose another with -d.", ExitStatus.FOLDER)
    if not os.access(folder, os.R_OK | os.X_OK):
        raise _forbidden(folder)
    return folder


def find_batch_script(batch: Path, text: str) -> Path:
    """Find a script of the site by its name below the batch folder, or the user's own by its path."""
    for name in (text,) if text.startswith((".", "/", "~")) else (str(batch / text), text):
        script = absolute(name)
        if is_file(script) and os.access(script, os.R_OK):
            return script
    known = ", ".join(sorted(str(script.relative_to(batch)) for script in batch.glob("*/*.sh"))) or "none"
    raise LightshipError(
        f"There is no batch script {quoted(text)} that you can read. This site has: {known}. "
        "Choose one with -b, or give the path of your own.",
        ExitStatus.BATCH_SCRIPT,
    )


def _forbidden(folder: Path) -> LightshipError:
    return LightshipError(f"You may not read the folder {folder}. Choose another with -d.", ExitStatus.FOLDER)
