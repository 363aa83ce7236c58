"""Finds the version of a Jupyter from the names of files: starting Jupyter to ask it would take a second."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from lightship_cluster.core.paths import is_there, matches
from lightship_cluster.core.texts import quoted
from lightship_cluster.environments.base import Variables, refused, with_path
from lightship_cluster.environments.interfaces import Interface

# Older versions have a known vulnerability (CVE-2026-44727).
SAFE_JUPYTER_SERVER = (2, 20, 0)
SERVER = "jupyter_server"
_VERSION = re.compile(r"-(\d+)\.(\d+)(?:\.(\d+))?")
_FOLDERS = ("lib/python3*/site-packages", "lib/python3*/dist-packages")


def check_folder(folder: Path, interface: Interface | None, variables: Variables, how: str) -> str:
    """Refuse an environment whose `bin` lacks what the batch script starts; return a warning or an empty text."""
    jupyter = folder / "bin" / "jupyter"
    if interface and not interface.jupyter:
        return check_other(interface, with_path(variables, folder / "bin")["PATH"])
    if not os.access(jupyter, os.X_OK):
        wanted = interface.package if interface else "jupyterlab"
        raise refused(f"There is no Jupyter in {folder}. Install it there: {how} {wanted}")
    return check_program(jupyter, interface, str(folder / "bin"), how)


def check_other(interface: Interface, path: str) -> str:
    """Refuse a program of --app that is not on the PATH."""
    if shutil.which(interface.program, path=path):
        return ""
    if os.sep in interface.program:
        raise refused(
            f"There is no program {interface.program} that can be run. The job starts in its own folder, that of -d, "
            "and not where you are: name a program with a '/' by its whole path."
        )
    raise refused(
        f"There is no {quoted(interface.program)} on the PATH that the job would have. Activate the environment that "
        "has it, name one with --venv, --conda, --module or --image, or give the program's whole path."
    )


def check_program(jupyter: Path, interface: Interface | None, path: str, how: str) -> str:
    """Refuse a Jupyter without the interface; return a warning if it has known vulnerabilities."""
    beside = jupyter.resolve().parent
    if interface and not (shutil.which(interface.program, path=path) or is_there(beside / interface.program)):
        raise refused(
            f"Your Jupyter has no {interface.title} (there is no {interface.program!r} beside {jupyter}). "
            f"Install it there ({how} {interface.package}), or choose another interface."
        )
    if interface:
        require_new(version_of(jupyter, interface.package), interface, how)
    return warning(version_of(jupyter, SERVER), how)


def require_new(version: tuple[int, ...] | None, interface: Interface, how: str) -> None:
    """Refuse an interface that does not use jupyter_server: only its options can guard a link."""
    if version and version[0] < interface.oldest:
        raise refused(
            f"Your {interface.package} {_dotted(version)} is too old for a link. Update it "
            f"({how} --upgrade '{interface.package}>={interface.oldest}'), or choose another interface with -s."
        )


def warning(version: tuple[int, ...] | None, how: str) -> str:
    """A warning about a vulnerable version of jupyter_server, or an empty text."""
    if not version or version >= SAFE_JUPYTER_SERVER:
        return ""
    return (
        f"Warning: your jupyter_server {_dotted(version)} has known security holes. "
        f"Update it: {how} --upgrade 'jupyter_server>={_dotted(SAFE_JUPYTER_SERVER)}'"
    )


def version_of(jupyter: Path, package: str) -> tuple[int, ...] | None:
    """The version of a package that this command uses, from the nearest folder that has the package."""
    patterns = [f"{folder}/{package}-*" for folder in _FOLDERS]
    found = (
        newest((entry.name for pattern in patterns for entry in matches(prefix, pattern)), package)
        for prefix in _prefixes(jupyter)
    )
    return next(filter(None, found), None)


def newest(names: Iterable[str], package: str) -> tuple[int, ...] | None:
    """The newest version of a package among package folders: an update may leave the folder of an older one."""
    found = (_VERSION.match(name[len(package) :]) for name in names if name.startswith(package))
    return max((tuple(int(part or 0) for part in each.groups()) for each in found if each), default=None)


def _prefixes(jupyter: Path) -> Iterator[Path]:
    """The prefixes of the command itself, of the symbolic link to it, and of its interpreter."""
    yield jupyter.resolve().parent.parent
    yield jupyter.parent.parent
    try:
        with jupyter.open("rb") as stream:
            first = stream.readline(512).decode("utf-8", "replace")
    except OSError:
        return
    # The first line may name `env`, or a shell if the interpreter's path is too long: neither tells where packages are.
    interpreter = Path(first[2:].split()[0] if first.startswith("#!") and first[2:].split() else "")
    if interpreter.name.startswith("python"):
        yield interpreter.parent.parent


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
