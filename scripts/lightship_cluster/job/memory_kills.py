"""Counts the processes of this job that the kernel killed for lack of memory, from the job's control group."""

from __future__ import annotations

from pathlib import Path

OWN, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


class MemoryKills:
    """The count at the start of the job, to compare with a later count."""

    def __init__(self, own: Path = OWN, mount: Path = MOUNT) -> None:
        self._own = own
        self._mount = mount
        self._before = self._count()

    def grown(self) -> bool:
        """Whether a process was killed since the start."""
        return self._count() > self._before

    def _count(self) -> int:
        return sum(map(_kills, self._files()))

    def _files(self) -> list[Path]:
        try:
            lines = self._own.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []
        found = []
        for line in lines:
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if controllers == "":
                found.append(_nearest(self._mount, path, "memory.events"))
            elif "memory" in controllers.split(","):
                found.append(_nearest(self._mount / controllers, path, "memory.oom_control"))
        return [file for file in found if file]


def _nearest(mount: Path, path: str, name: str) -> Path | None:
    # The innermost groups may lack the memory controller. In version 2 the counts include the groups below.
    group = mount / path.lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(mount):
            return None
        if (folder / name).is_file():
            return folder / name
    return None


def _kills(file: Path) -> int:
    try:
        rows = (line.split() for line in file.read_text("ascii").splitlines())
        return sum(int(row[1]) for row in rows if len(row) == 2 and row[0] == "oom_kill")
    except (OSError, ValueError):
        return 0
