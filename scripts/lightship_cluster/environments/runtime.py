"""What each container runtime is asked, and what it has to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lightship_cluster.core.paths import is_folder
from lightship_cluster.environments.base import Start, refused
from lightship_cluster.environments.binds import Bind

NVIDIA, AMD = Path("/dev/nvidiactl"), Path("/dev/kfd")


@dataclass(frozen=True)
class Inside:
    """What must be the same inside as outside."""

    image: str
    binds: tuple[Bind, ...]
    variables: Mapping[str, str]
    folder: Path
    home: Path
    private: Path
    gpu: bool


class Runtime(Protocol):
    """One module for each runtime implements this. None needs a privilege, and none is asked for one."""

    @property
    def program(self) -> str:
        """Its command."""

    def wrap(self, start: Start, inside: Inside) -> Start:
        """The command in a container on the node's own network, for there is the port that the link leads to."""

    def inspect(self, image: str, command: tuple[str, ...]) -> list[str]:
        """A short command in the image, with nothing of this host in it."""


def is_unpacked(image: str) -> bool:
    """Whether it is an unpacked folder; what is no whole path is a name, whatever lies in the job's folder."""
    return image.startswith("/") and is_folder(Path(image))


def gpu_maker() -> str:
    """Whose GPUs this node has."""
    if NVIDIA.exists():
        return "nvidia"
    if AMD.exists():
        return "amd"
    raise refused(
        "--gpu was asked for, but this node has no GPU. Ask the scheduler for one (-g 1, or another partition)."
    )
