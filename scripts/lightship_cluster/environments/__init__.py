"""Where Jupyter comes from. Each kind is a module; plain metadata in the link's folder describes it to the job."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.paths import absolute, is_folder
from lightship_cluster.environments.base import Environment, Layers, Start, Variables, refused
from lightship_cluster.environments.binds import Bind
from lightship_cluster.environments.conda import Conda, find_environment
from lightship_cluster.environments.conda_file import CondaFile, default_cache
from lightship_cluster.environments.container import RUNTIMES, Container, whole_name
from lightship_cluster.environments.modules import Modules
from lightship_cluster.environments.on_path import OnPath
from lightship_cluster.environments.venv import Venv

FIELD = "environment"
__all__ = ["FIELD", "Environment", "Start", "choose", "description_of", "from_metadata"]


def choose(
    variables: Variables,
    *,
    modules: Sequence[str] = (),
    venv: str = "",
    conda: str = "",
    image: str = "",
    runtime: str = "",
    binds: Sequence[str] = (),
    gpu: bool = False,
) -> Environment:
    """The environment that a user's options ask for."""
    chosen = [option for option, value in (("--venv", venv), ("--conda", conda), ("--image", image)) if value]
    if len(chosen) > 1:
        raise _usage(f"{chosen[0]} and {chosen[1]} exclude each other: Jupyter comes from one place.")
    if not image and (runtime or binds or gpu):
        option = "--runtime" if runtime else "--bind" if binds else "--gpu"
        raise _usage(f"{option} belongs to a container: name its image with --image.")
    if runtime and runtime not in RUNTIMES:
        raise _usage(f"There is no runtime {runtime!r}. Choose one of {', '.join(RUNTIMES)}.")
    loaded = Modules(tuple(modules))
    inner: Environment
    if venv:
        inner = Venv(absolute(venv))
    elif conda:
        inner = _conda(conda, loaded.enter(variables) if modules else variables)
    elif image:
        inner = Container(whole_name(image), runtime, tuple(map(Bind.parse, binds)), gpu)
    else:
        inner = OnPath(loaded.command() if modules else "")
    return Layers(loaded, inner) if modules else inner


def from_metadata(metadata: Mapping[str, Any]) -> Environment:
    """The environment in a link's metadata; without one, what is on the job's PATH."""
    noted = metadata.get(FIELD) or {}
    try:
        inner = _KINDS[noted.get("kind", "path")](noted)
        names = tuple(str(name) for name in noted.get("modules", ()))
    except (KeyError, TypeError, AttributeError) as error:
        raise LightshipError(
            f"The link's folder names an environment that this version does not know ({noted}). Start a new notebook.",
            ExitStatus.LINK_FOLDER,
        ) from error
    return Layers(Modules(names), inner) if names else inner


def description_of(environment: Environment) -> str:
    """A description of where Jupyter comes from, for a person."""
    noted = environment.metadata()
    words = [f"module load {' '.join(noted['modules'])}"] if noted.get("modules") else []
    named = noted.get("path") or noted.get("image")
    if not named and not words:
        named = shutil.which("jupyter") or ""
    return ", then ".join([*words, *filter(None, [named])])


def _conda(text: str, variables: Variables) -> Environment:
    if text.endswith((".yml", ".yaml")):
        return CondaFile.read(absolute(text), default_cache(variables))
    if "/" in text or text.startswith(("~", ".")):
        folder = absolute(text)
        if not is_folder(folder):
            raise refused(f"There is no conda environment {folder}. Give its name, its folder, or an environment.yml.")
        return Conda(folder)
    return Conda(find_environment(text, variables))


def _container(noted: Mapping[str, Any]) -> Environment:
    binds = tuple(Bind.parse(str(text)) for text in noted["binds"])
    return Container(str(noted["image"]), str(noted["runtime"]), binds, bool(noted["gpu"]))


_KINDS: dict[str, Callable[[Mapping[str, Any]], Environment]] = {
    "path": lambda _noted: OnPath(),
    "venv": lambda noted: Venv(Path(noted["path"])),
    "conda": lambda noted: Conda(Path(noted["path"])),
    "container": _container,
}


def _usage(sentence: str) -> LightshipError:
    return LightshipError(sentence, ExitStatus.USAGE)
