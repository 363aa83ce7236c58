"""The route files: the registry writes them, the web server reads them, `ls` shows what is live."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lightship_registry.errors import RegistryError
from lightship_registry.files import write_beside


class Routes:
    """One small file per live link, named like it, that holds the URL of its target."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def require_folder(self) -> None:
        """Say now, not at the first link, that the folder is missing."""
        if not self._folder.is_dir():
            raise RegistryError(f"The folder {self._folder} is missing. systemd-tmpfiles --create makes it.")

    def write(self, name: str, route: str) -> None:
        """Open the route; a reader sees the old one or the new one."""
        write_beside(self._folder / name, _content(route), 0o640)

    def remove(self, name: str) -> None:
        """Close the route, if it is open."""
        (self._folder / name).unlink(missing_ok=True)

    def restore(self, live: Mapping[str, str]) -> None:
        """Write every route that ought to be there, and remove every other file."""
        self.reconcile(live)
        for name, route in live.items():
            self.write(name, route)

    def reconcile(self, live: Mapping[str, str]) -> list[str]:
        """Put right which files are there; their names. Contents are not read: a link never changes its target."""
        present = {path.name for path in self._folder.iterdir()}
        for name in present - live.keys():
            self.remove(name)
        for name in live.keys() - present:
            self.write(name, live[name])
        return sorted(present ^ live.keys())

    def differing(self, live: Mapping[str, str]) -> list[str]:
        """Names of files that are missing, too many, or say something else."""
        present = {path.name: path.read_bytes() for path in self._folder.iterdir()}
        wanted = {name: _content(route) for name, route in live.items()}
        return sorted(name for name in present.keys() | wanted.keys() if present.get(name) != wanted.get(name))


def _content(route: str) -> bytes:
    return f"{route}\n".encode("ascii")
