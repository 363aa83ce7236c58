"""Paths as users write them, and questions about them that always have an answer.

Pathlib's own `is_dir` and `exists` fail where a folder on the way may not be entered, and for names that are too long.
"""

from __future__ import annotations

import os
from pathlib import Path


def absolute(text: str) -> Path:
    """The whole path; not resolved, for a compute node may have the same name for the place, but another way to it."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        # There is no such user: then it is an odd name of a file, and most likely none that is there.
        return Path(text).absolute()


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
