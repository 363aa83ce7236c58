"""Paths as users write them, and checks of them that never fail.

Pathlib's `is_dir` and `exists` fail if a folder on the way may not be entered, or if a name is too long.
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError


def home() -> Path:
    """The user's home. A HOME that is not an absolute path is ignored: it means another folder to each program.

    Raises:
        RuntimeError: the user has no home.
    """
    named = os.environ.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise RuntimeError("no home") from None


def absolute(text: str) -> Path:
    """The absolute path, not resolved: a compute node may reach the same path by other symbolic links."""
    path = Path(text)
    # If there is no such user, the path is taken as the name of a file.
    with suppress(RuntimeError):
        path = home() / text[2:] if text == "~" or text.startswith("~/") else path.expanduser()
    try:
        return path.absolute()
    except FileNotFoundError as error:
        sentence = f"The folder that you are in was deleted, and {text!r} is below it. Go to another folder: cd"
        raise LightshipError(sentence, ExitStatus.FOLDER) from error


def is_here() -> bool:
    """Whether the folder in which this program was started is still there."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True


def is_folder(path: Path) -> bool:
    """Whether the path is a folder that this user can see."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Whether the path is a plain file that this user can see."""
    return os.path.isfile(path)  # noqa: PTH113


def is_there(path: Path) -> bool:
    """Whether the path exists and this user can see it."""
    return os.path.exists(path)  # noqa: PTH110


def matches(folder: Path, pattern: str) -> list[Path]:
    """The sorted paths in the folder that match the pattern and that this user can see."""
    try:
        return sorted(folder.glob(pattern))
    except (OSError, ValueError):
        return []
