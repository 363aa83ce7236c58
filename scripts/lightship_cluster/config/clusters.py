"""Finds the cluster of a host when several share one installation: each has a file that names its hosts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from lightship_cluster.config.ini import Form, Values, read_ini, wrong
from lightship_cluster.config.layers import SECTIONS
from lightship_cluster.core.errors import LightshipError

FORM = Form({"cluster": ("hosts", "registry", "ca_file", "agent_socket", "notebook_networks"), **SECTIONS})


@dataclass(frozen=True)
class ClusterFile:
    """One file of the folder `clusters`; its name is the cluster's name."""

    path: Path
    sections: dict[str, Values]

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.path.stem

    def has(self, host: str) -> bool:
        """Whether one of the patterns matches the host's name, or the first part of it."""
        patterns = self.sections["cluster"].get("hosts", "").replace(",", " ").lower().split()
        names = (host.lower(), host.lower().partition(".")[0])
        return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def find_cluster(site: Path, named: str, fallback: str, host: str = "") -> ClusterFile | None:
    """The file of the named cluster, else of this host's, else of the site's default; None if there is none."""
    folder = site.resolve().parent / "clusters"
    files = sorted(folder.glob("*.ini"))
    if named or not files:
        return _file_of(folder, named or fallback)
    host = host or os.uname().nodename
    read, faults = _read(files)
    found = [cluster for cluster in read if cluster.has(host)]
    if len(found) > 1:
        both = " and ".join(cluster.name for cluster in found)
        raise wrong(folder, f"this host, {host}, is one of the hosts of both {both}.")
    if found or fallback:
        return found[0] if found else _file_of(folder, fallback)
    if faults:
        raise faults[0]
    names = ", ".join(cluster.name for cluster in read)
    raise wrong(folder, f"this host, {host}, is none of the hosts of {names}. Log in to a login node of one of them.")


def _file_of(folder: Path, name: str) -> ClusterFile | None:
    path = folder / f"{name}.ini"
    return ClusterFile(path, read_ini(path, FORM)) if name and path.is_file() else None


def _read(files: list[Path]) -> tuple[list[ClusterFile], list[LightshipError]]:
    read, faults = [], []
    for path in files:
        try:
            read.append(ClusterFile(path, read_ini(path, FORM)))
        except LightshipError as error:
            # A mistake in one cluster's file must not stop the others.
            faults.append(error)
    return read, faults
