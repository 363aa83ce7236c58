"""The route files: the registry writes them, the web server reads them, `ls` shows what is live."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.files import write_beside


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

    def restore(self, live: Mapping[str, str], spared: Mapping[str, str]) -> None:
        """Trust no file: write every route that ought to be there, and those spared that are there; remove the rest."""
        present = self._names()
        self.reconcile(live, spared)
        for name, route in {**_only(spared, present), **live}.items():
            self.write(name, route)

    def reconcile(self, live: Mapping[str, str], spared: Mapping[str, str]) -> list[str]:
        """Put right which files are there; their names. Contents are not read: a link never changes its target.

        A route of `spared` stays if it is there, and is not opened if it is not.
        """
        present = self._names()
        surplus, missing = present - live.keys() - spared.keys(), live.keys() - present
        for name in surplus:
            self.remove(name)
        for name in missing:
            self.write(name, live[name])
        return sorted(surplus | missing)

    def differing(self, live: Mapping[str, str], spared: Mapping[str, str]) -> list[str]:
        """Names of files that are missing, too many, or say something else."""
        present = {path.name: path.read_bytes() for path in self._folder.iterdir()}
        wanted = {name: _content(route) for name, route in {**_only(spared, present), **live}.items()}
        return sorted(name for name in present.keys() | wanted.keys() if present.get(name) != wanted.get(name))

    def _names(self) -> set[str]:
        return {path.name for path in self._folder.iterdir()}


def _only(routes: Mapping[str, str], names: Container[str]) -> dict[str, str]:
    return {name: route for name, route in routes.items() if name in names}


def _content(route: str) -> bytes:
    return f"{route}\n".encode("ascii")
