"""Charliecloud, by its command `ch-run`."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.core.paths import is_file
from lightship_cluster.environments.base import Start, Variables, refused
from lightship_cluster.environments.runtime import Inside, gpu_maker, is_unpacked

STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Charliecloud:
    """Runs unpacked folders, SquashFS files, and names in the store of `ch-image`."""

    program: str = "ch-run"

    def wrap(self, start: Start, inside: Inside) -> Start:
        """The command in a container; a layer in memory over the read-only image has the mount points of the binds."""
        read_only = [bind.text for bind in inside.binds if bind.read_only]
        if read_only:
            raise refused(f"Charliecloud cannot bind read-only ({read_only[0]}). Leave out ':ro' or choose --runtime.")
        if inside.gpu:
            gpu_maker()  # /dev is the node's own in any case; the driver's libraries must be in the image
        flags = [f"--bind={bind.source}:{bind.target}" for bind in inside.binds]
        command = (
            _whole(self.program, start.variables),
            "--write-fake",
            *flags,
            f"--cd={inside.folder}",
            *_image_variables(inside.image),
            inside.image,
            "--",
            *start.command,
        )
        # The container inherits all of ch-run's variables; TMPDIR would change what is /tmp inside.
        return Start(command, {"PATH": STANDARD_PATH, **inside.variables}, start.cleanup)

    def inspect(self, image: str, command: tuple[str, ...]) -> list[str]:
        """The command in the unchanged image."""
        return [self.program, "--unset-env=*", *_image_variables(image), image, "--", *command]


def _image_variables(image: str) -> list[str]:
    # The variables that the image's builder recorded. Without them only the standard PATH is known.
    return ["--set-env"] if is_unpacked(image) and is_file(Path(image, "ch", "environment")) else []


def _whole(program: str, variables: Variables) -> str:
    return shutil.which(program, path=variables.get("PATH", os.defpath)) or program
