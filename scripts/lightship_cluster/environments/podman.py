"""Podman, run by an ordinary user."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.environments.base import Start
from lightship_cluster.environments.runtime import Inside, gpu_maker, is_unpacked

_GPU = {"nvidia": ["--device=nvidia.com/gpu=all"], "amd": ["--device=/dev/kfd", "--device=/dev/dri"]}


@dataclass(frozen=True)
class Podman:
    """Runs names in the user's own store, unpacked folders and URIs."""

    program: str = "podman"

    def wrap(self, start: Start, inside: Inside) -> Start:
        """The command in a container, in the job's control group for its limits, and with the user's own number."""
        # The container's parent is a helper of Podman, outside the job's process group: the container is ended by name.
        name = inside.private.name
        flags = [
            f"--name={name}",
            "--rm",
            "--network=host",
            "--cgroups=disabled",
            "--userns=keep-id",
            # Otherwise the image may choose another user.
            f"--user={os.getuid()}:{os.getgid()}",
            "--group-add=keep-groups",
            # The first process must reap children, and Jupyter does not.
            *([] if not _has_init() else ["--init"]),
            # Homes must not be relabelled for a container.
            "--security-opt=label=disable",
            # A container has its own small /dev/shm otherwise, and data loaders fill it.
            "--ipc=host",
            # Jupyter's output goes to the job alone, not to the node's journal as well.
            "--log-driver=none",
            f"--workdir={inside.folder}",
            *(f"--volume={bind.text}" for bind in inside.binds),
            # Names only: every user can read a command line, so the values come from Podman's own variables.
            *(f"--env={variable}" for variable in inside.variables),
            *(_GPU[gpu_maker()] if inside.gpu else []),
        ]
        command = (self.program, "run", *flags, *_image(inside.image), *start.command)
        cleanup = (self.program, "rm", "--force", "--ignore", "--time=0", name)
        return Start(command, {**start.variables, **inside.variables}, cleanup)

    def inspect(self, image: str, command: tuple[str, ...]) -> list[str]:
        """The command in an image that is already on this host; nothing is fetched."""
        return [
            self.program,
            "run",
            "--rm",
            "--network=none",
            "--pull=never",
            "--cgroups=disabled",
            *_image(image),
            *command,
        ]


def _image(image: str) -> list[str]:
    return ["--rootfs", f"{image}:O"] if is_unpacked(image) else [image]


def _has_init() -> bool:
    return any(Path(folder, "catatonit").exists() for folder in ("/usr/libexec/podman", "/usr/bin", "/usr/lib/podman"))
