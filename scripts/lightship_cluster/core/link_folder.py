"""A link's folder: the only place where its secret and token are kept, for the user alone."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.paths import home, is_folder

SECRET, TOKEN, METADATA, LOG = "secret", "token", "link.json", "job.log"
LINK_TOKEN = re.compile(r"[0-9a-f]{32}")
# Sends a browser on to the link; holds the token.
PAGE = "open.html"
OLD_SECONDS = 30 * 86400
LARGEST_FILE = 65536
FULL = (errno.ENOSPC, errno.EDQUOT)


def default_root() -> Path:
    """Where a user's links are kept, on the home that login nodes and compute nodes share."""
    try:
        return home() / ".local" / "state" / "lightship"
    except RuntimeError as error:
        raise _unusable("You have no home folder here, and the link's files go there. Set HOME.") from error


def check_root(root: Path) -> None:
    """Say before anything is made whether the folders can be made."""
    nearest = next(folder for folder in (root, *root.parents) if os.path.lexists(folder))
    if not is_folder(nearest) or not os.access(nearest, os.W_OK | os.X_OK):
        raise _unusable(f"Cannot write in {nearest}, where the link's files go. Make it writable for yourself.")


class LinkFolder:
    """One link's folder, 0700, and its files, 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def log(self) -> Path:
        """What the job printed."""
        return self.path / LOG

    @classmethod
    def create(cls, root: Path, name: str, metadata: dict[str, Any], secret: str, token: str) -> LinkFolder:
        """Make the folder with everything that the job needs."""
        folder = cls(root / name)
        try:
            # The folders above too: a generous umask would let a group exchange what is in them.
            for above in (*reversed(root.parents), root):
                above.mkdir(mode=0o700, exist_ok=True)
            root.chmod(0o700)
            folder.path.mkdir(mode=0o700)
            # No newline: Jupyter reads the token file to the letter.
            for file, content in ((SECRET, secret), (TOKEN, token), (METADATA, _json(metadata)), (LOG, "")):
                write_private(folder.path / file, content)
        except OSError as error:
            folder.remove()
            raise _cannot_write(root, error) from error
        return folder

    def metadata(self) -> dict[str, Any]:
        """What `start-jupyter` noted about the link."""
        try:
            value = json.loads(self.read(METADATA))
        except ValueError as error:
            raise _unusable(f"{self.path / METADATA} is not JSON. Start a new notebook.") from error
        if not isinstance(value, dict):
            raise _unusable(f"{self.path / METADATA} is not a JSON object. Start a new notebook.")
        return value

    def note(self, **metadata: object) -> None:
        """Add to the metadata."""
        fresh = self.path / f".{METADATA}.tmp"
        try:
            fresh.unlink(missing_ok=True)
            write_private(fresh, _json({**self.metadata(), **metadata}))
            fresh.replace(self.path / METADATA)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def require_private(self) -> None:
        """Refuse a folder into which another user could have put, or could read, anything."""
        try:
            found = self.path.lstat()
        except OSError as error:
            raise _unusable(f"There is no link folder {self.path} ({error.strerror}).") from error
        if not stat.S_ISDIR(found.st_mode):
            raise _unusable(f"{self.path} is not a folder.")
        _require_own(self.path, found)

    def read(self, file: str) -> str:
        """A file of the folder, if it is the user's own and private."""
        path = self.path / file
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise _unusable(f"Cannot read {path}: {error.strerror}. Start a new notebook.") from error
        with os.fdopen(descriptor, "rb") as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _unusable(f"{path} is not a plain file.")
            _require_own(path, found)
            return stream.read(LARGEST_FILE).decode("utf-8", "replace")

    def forget_secrets(self) -> None:
        """The link is over: only what a person may want to read stays. They are worth nothing to anybody any more."""
        for file in (SECRET, TOKEN, PAGE):
            with suppress(OSError):  # in a home that cannot be written
                (self.path / file).unlink()

    def remove(self) -> None:
        """Leave nothing behind, not even the folder above when it is empty."""
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            self.path.parent.rmdir()
        except OSError:
            return  # other links are there


def remove_old(root: Path) -> None:
    """Folders of links that ended, and in which nothing was touched for a month."""
    with suppress(OSError):
        for path in root.iterdir():
            # Another start may be doing the same.
            with suppress(OSError):
                if not path.is_symlink() and _is_old(path):
                    shutil.rmtree(path, ignore_errors=True)


def _is_old(path: Path) -> bool:
    # A job may wait and run for months, and writing to its log leaves the folder's own time alone.
    times = [entry.lstat().st_mtime for entry in (path, *path.iterdir())]
    return max(times) < time.time() - OLD_SECONDS and not (path / SECRET).exists()


def write_private(path: Path, content: str) -> None:
    """A new file for the user alone; never through a link, never over another file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        # Quota and full disks of network file systems show only here, and an empty file takes no room.
        if content:
            os.fsync(descriptor)


def _require_own(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise _unusable(f"{path} belongs to another user.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise _unusable(f"{path} is open to other users. Use only folders that start-jupyter made.")


def _json(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, indent=2, sort_keys=True) + "\n"


def _cannot_write(folder: Path, error: OSError) -> LightshipError:
    room = " Make room: `du -ah ~ | sort -h | tail` shows what takes most." if error.errno in FULL else ""
    return _unusable(f"Cannot write the link's files in {folder}: {error.strerror}.{room}")


def _unusable(sentence: str) -> LightshipError:
    return LightshipError(sentence, ExitStatus.LINK_FOLDER)
