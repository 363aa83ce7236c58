"""What can be checked before anything is asked for: each failure says which and what to do."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from lightship_cluster.errors import ExitStatus, LightshipError

# Below this version a known hole (CVE-2026-44727) is open.
SAFE_JUPYTER_SERVER = (2, 20, 0)
_APP = re.compile(r"^\s*exec .*-- jupyter[ -](lab|notebook)\b", re.MULTILINE)
_PACKAGE = re.compile(r"jupyter_server-(\d+)\.(\d+)\.(\d+)")
_NAMES = {"lab": "JupyterLab", "notebook": "Jupyter Notebook 7"}


def find_folder(text: str) -> Path:
    """The folder of the notebook."""
    folder = _path(text)
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
    """A script of the site by its name below the batch folder, or the user's own by its path."""
    chosen = _path(text)
    for script in (chosen,) if text.startswith((".", "/", "~")) else (batch / text, chosen):
        # os.path's own answers no where pathlib fails for want of permission.
        if os.path.isfile(script) and os.access(script, os.R_OK):  # noqa: PTH113
            return script
    known = ", ".join(sorted(str(script.relative_to(batch)) for script in batch.glob("*/*.sh"))) or "none"
    raise LightshipError(
        f"There is no batch script {text!r} that you can read. This site has: {known}. "
        "Choose one with -b, or give the path of your own.",
        ExitStatus.BATCH_SCRIPT,
    )


def check_jupyter(script: Path) -> str:
    """Refuse to queue for a Jupyter that is not there; the answer is a warning or nothing."""
    jupyter = shutil.which("jupyter")
    if not jupyter:
        raise LightshipError(
            "There is no 'jupyter' on your PATH. Activate the environment or load the module that has it.",
            ExitStatus.JUPYTER,
        )
    _check_app(Path(jupyter), script)
    version = server_version(Path(jupyter))
    if version and version < SAFE_JUPYTER_SERVER:
        return (
            f"Warning: your jupyter_server {_dotted(version)} has known security holes. "
            f"Update it: pip install --upgrade 'jupyter_server>={_dotted(SAFE_JUPYTER_SERVER)}'"
        )
    return ""


def server_version(jupyter: Path) -> tuple[int, ...] | None:
    """The version of jupyter_server beside this command, read from folder names: starting Jupyter takes a second."""
    for packages in _site_packages(jupyter):
        for entry in packages.glob("jupyter_server-*"):
            found = _PACKAGE.match(entry.name)
            if found:
                return tuple(int(part) for part in found.groups())
    return None


def _unusable(folder: Path, why: str) -> LightshipError:
    return LightshipError(f"The folder {folder} {why}. Choose another with -d.", ExitStatus.FOLDER)


def _forbidden(folder: Path) -> LightshipError:
    return LightshipError(f"You may not read the folder {folder}. Choose another with -d.", ExitStatus.FOLDER)


def _path(text: str) -> Path:
    # Not resolved: a compute node may have the same name for the place, but another way to it.
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        return Path(text).absolute()


def _check_app(jupyter: Path, script: Path) -> None:
    found = _APP.search(script.read_text("utf-8", "replace"))
    if not found:
        return  # a script of another form finds its own Jupyter
    app = found[1]
    beside = jupyter.resolve().parent / f"jupyter-{app}"
    if not (shutil.which(f"jupyter-{app}") or beside.exists()):
        raise LightshipError(
            f"Your Jupyter has no {_NAMES[app]} (there is no 'jupyter-{app}' beside {jupyter}). "
            "Install it there, or choose another batch script with -b.",
            ExitStatus.JUPYTER,
        )


def _site_packages(jupyter: Path) -> Iterator[Path]:
    try:
        with jupyter.open("rb") as stream:
            first = stream.readline(512).decode("utf-8", "replace")
    except OSError:
        return
    interpreter = first[2:].split()[0] if first.startswith("#!") and first[2:].split() else ""
    for prefix in (Path(interpreter).parent.parent, jupyter.resolve().parent.parent):
        yield from prefix.glob("lib/python3*/site-packages")
        yield from prefix.glob("lib/python3*/dist-packages")


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
