"""Changes several files of a folder at one instant: a crash leaves all of them as they were, or all of them new.

A certificate and its key are of no use without each other, and no system call replaces two files. So each file becomes
a symbolic link through one other link, `.switch`, and the replacement of that one is the instant.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lightship_registry.core.files import TEMPORARY, write_beside

SWITCH, BEFORE, AFTER = ".switch", ".before", ".after"
FOLDER_MODE = 0o700


def write_together(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write these files, and remove those that are given without content. Hold the folder while you do."""
    settle(folder)
    _fill(folder / BEFORE, {name: _content(folder / name) for name in files})
    _fill(folder / AFTER, files)
    _link(folder / SWITCH, Path(BEFORE))
    for name in files:
        _link(folder / name, Path(SWITCH, name))
    _sync(folder)
    _link(folder / SWITCH, Path(AFTER))
    _sync(folder)
    settle(folder)


def settle(folder: Path) -> None:
    """Make ordinary files of what the links show, and remove what an interrupted change left."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(TEMPORARY):
            path.unlink()
        elif path.is_symlink() and path.readlink() == Path(SWITCH, path.name):
            _make_ordinary(path)
    _sync(folder)
    # Nothing is shown through it any more. What it led to holds keys that were replaced.
    (folder / SWITCH).unlink(missing_ok=True)
    _remove(folder / BEFORE)
    _remove(folder / AFTER)


def _make_ordinary(path: Path) -> None:
    content = _content(path)
    if content is None:
        path.unlink()
    else:
        write_beside(path, content, _mode(path))


def _fill(folder: Path, files: Mapping[str, bytes | None]) -> None:
    folder.mkdir(mode=FOLDER_MODE)
    for name, content in files.items():
        if content is not None:
            write_beside(folder / name, content, _mode(folder / name))
    _sync(folder)


def _link(path: Path, target: Path) -> None:
    beside = path.with_name(f"{TEMPORARY}{path.name}")
    beside.symlink_to(target)
    beside.replace(path)


def _content(path: Path) -> bytes | None:
    # A link whose file is not on the side that `.switch` shows is a file that is not there.
    return path.read_bytes() if path.exists() else None


def _mode(path: Path) -> int:
    return 0o600 if path.suffix == ".key" else 0o644


def _remove(folder: Path) -> None:
    if folder.is_dir():
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _sync(folder: Path) -> None:
    # The names must be on the disk in this order: a power cut must not bring one without the other.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
