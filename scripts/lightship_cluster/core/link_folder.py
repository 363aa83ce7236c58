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
# Redirects a browser to the link; holds the token.
PAGE = "open.html"
OLD_SECONDS = 30 * 86400
LARGEST_FILE = 65536
FULL = (errno.ENOSPC, errno.EDQUOT)


def default_root() -> Path:
    """The folder of a user's links, in the home that login nodes and compute nodes share."""
    try:
        return home() / ".local" / "state" / "lightship"
    except RuntimeError as error:
        raise _unusable("You have no home folder here, and the link's files go there. Set HOME.") from error


def check_root(root: Path) -> None:
    """Refuse, before anything is created, a root in which no folder can be created."""
    nearest = next(folder for folder in (root, *root.parents) if os.path.lexists(folder))
    if not is_folder(nearest) or not os.access(nearest, os.W_OK | os.X_OK):
        raise _unusable(f"Cannot write in {nearest}, where the link's files go. Make it writable for yourself.")


class LinkFolder:
    """One link's folder with mode 0700, and its files with mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def log(self) -> Path:
        """The file with what the job printed."""
        return self.path / LOG

    @classmethod
    def create(cls, root: Path, name: str, metadata: dict[str, Any], secret: str, token: str) -> LinkFolder:
        """Create the folder with everything that the job needs."""
        folder = cls(root / name)
        try:
            # The folders above too: under a loose umask, a group could replace what is in them.
            for above in (*reversed(root.parents), root):
                above.mkdir(mode=0o700, exist_ok=True)
            root.chmod(0o700)
            folder.path.mkdir(mode=0o700)
            # No newline: Jupyter takes the whole content of the token file as the token.
            for file, content in ((SECRET, secret), (TOKEN, token), (METADATA, _json(metadata)), (LOG, "")):
                write_private(folder.path / file, content)
        except OSError as error:
            folder.remove()
            raise _cannot_write(root, error) from error
        return folder

    def metadata(self) -> dict[str, Any]:
        """What `start-jupyter` wrote about the link."""
        try:
            value = json.loads(self.read(METADATA))
        except ValueError as error:
            raise _unusable(f"{self.path / METADATA} is not JSON. Start a new notebook.") from error
        if not isinstance(value, dict):
            raise _unusable(f"{self.path / METADATA} is not a JSON object. Start a new notebook.")
        return value

    def note(self, **metadata: object) -> None:
        """Add entries to the metadata."""
        fresh = self.path / f".{METADATA}.tmp"
        try:
            fresh.unlink(missing_ok=True)
            write_private(fresh, _json({**self.metadata(), **metadata}))
            fresh.replace(self.path / METADATA)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def require_private(self) -> None:
        """Refuse a folder that another user could read or write."""
        try:
            found = self.path.lstat()
        except OSError as error:
            raise _unusable(f"There is no link folder {self.path} ({error.strerror}).") from error
        if not stat.S_ISDIR(found.st_mode):
            raise _unusable(f"{self.path} is not a folder.")
        _require_own(self.path, found)

    def read(self, file: str) -> str:
        """The content of a file in the folder; refused unless it is the user's own and private."""
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
        """Remove the secrets of a link that has ended; what a person may want to read stays."""
        for file in (SECRET, TOKEN, PAGE):
            with suppress(OSError):  # the home may be read-only
                (self.path / file).unlink()

    def remove(self) -> None:
        """Remove the folder, and the folder above if it is empty then."""
        shutil.rmtree(self.path, ignore_errors=True)
        try:
            self.path.parent.rmdir()
        except OSError:
            return  # it holds other links


def remove_old(root: Path) -> None:
    """Remove the folders of ended links in which nothing has changed for a month."""
    with suppress(OSError):
        for path in root.iterdir():
            # Another start may remove them at the same time.
            with suppress(OSError):
                if not path.is_symlink() and _is_old(path):
                    shutil.rmtree(path, ignore_errors=True)


def _is_old(path: Path) -> bool:
    # A job may wait and run for months, and writing to its log does not change the folder's own time.
    times = [entry.lstat().st_mtime for entry in (path, *path.iterdir())]
    return max(times) < time.time() - OLD_SECONDS and not (path / SECRET).exists()


def write_private(path: Path, content: str) -> None:
    """Create a file for the user alone; never through a symbolic link, never over another file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        # Network file systems report quotas and full disks only here. An empty file takes no space.
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
