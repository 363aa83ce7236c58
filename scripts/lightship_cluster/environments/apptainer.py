"""Apptainer, and Singularity, its older name."""

from __future__ import annotations

from dataclasses import dataclass

from lightship_cluster.environments.base import Start
from lightship_cluster.environments.runtime import Inside, gpu_maker

_GPU = {"nvidia": "--nv", "amd": "--rocm"}


@dataclass(frozen=True)
class Apptainer:
    """Runs .sif files, unpacked folders and URIs."""

    program: str = "apptainer"

    def wrap(self, start: Start, inside: Inside) -> Start:
        """The command in a container with the chosen variables alone, and the same home and working folder."""
        flags = [f"--bind={bind.text}" for bind in inside.binds]
        flags += [_GPU[gpu_maker()]] if inside.gpu else []
        command = (self.program, "exec", "--cleanenv", *flags, f"--pwd={inside.folder}", inside.image, *start.command)
        # It sets HOME itself. Variables for the container have a prefix, by this name and by the older one.
        chosen = {name: value for name, value in inside.variables.items() if name != "HOME"}
        prefixed = {f"{old}ENV_{name}": value for old in ("APPTAINER", "SINGULARITY") for name, value in chosen.items()}
        older = self.program == "singularity"
        unwanted = "APPTAINERENV_" if older else "SINGULARITYENV_"
        added = {name: value for name, value in prefixed.items() if not name.startswith(unwanted)}
        return Start(command, {**start.variables, **added}, start.cleanup)

    def inspect(self, image: str, command: tuple[str, ...]) -> list[str]:
        """The command in the image, without the home."""
        return [self.program, "--silent", "exec", "--cleanenv", "--contain", image, *command]
