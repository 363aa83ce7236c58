"""The interface of every container runtime."""

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
    """What a container must get from the host."""

    image: str
    binds: tuple[Bind, ...]
    variables: Mapping[str, str]
    folder: Path
    home: Path
    private: Path
    gpu: bool


class Runtime(Protocol):
    """One module for each runtime implements this. All run without privileges."""

    @property
    def program(self) -> str:
        """The runtime's command."""

    def wrap(self, start: Start, inside: Inside) -> Start:
        """The command in a container with the node's own network, where the link's port is."""

    def inspect(self, image: str, command: tuple[str, ...]) -> list[str]:
        """A short command in the image, without this host's folders."""


def is_unpacked(image: str) -> bool:
    """Whether the image is an unpacked folder; anything but an absolute path is a name."""
    return image.startswith("/") and is_folder(Path(image))


def gpu_maker() -> str:
    """The maker of this node's GPUs: nvidia or amd."""
    if NVIDIA.exists():
        return "nvidia"
    if AMD.exists():
        return "amd"
    raise refused(
        "--gpu was asked for, but this node has no GPU. Ask the scheduler for one (-g 1, or another partition)."
    )
