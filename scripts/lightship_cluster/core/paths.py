"""Paths as users write them, and questions about them that always have an answer.

Pathlib's own `is_dir` and `exists` fail where a folder on the way may not be entered, and for names that are too long.
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

from lightship_cluster.core.errors import ExitStatus, LightshipError


def home() -> Path:
    """The user's home; one in HOME that is no whole path is somewhere else for each program, and is not believed.

    Raises:
        RuntimeError: there is none.
    """
    named = os.environ.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        raise RuntimeError("no home") from None


def absolute(text: str) -> Path:
    """The whole path; not resolved, for a compute node may have the same name for the place, but another way to it."""
    path = Path(text)
    # Without such a user it is an odd name of a file, and most likely none that is there.
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
    """Whether it is a folder, as far as this user can see."""
    return os.path.isdir(path)  # noqa: PTH112


def is_file(path: Path) -> bool:
    """Whether it is a plain file, as far as this user can see."""
    return os.path.isfile(path)  # noqa: PTH113


def is_there(path: Path) -> bool:
    """Whether there is anything of this name, as far as this user can see."""
    return os.path.exists(path)  # noqa: PTH110


def matches(folder: Path, pattern: str) -> list[Path]:
    """What is in the folder by this pattern, sorted, as far as this user can see."""
    try:
        return sorted(folder.glob(pattern))
    except (OSError, ValueError):
        return []
