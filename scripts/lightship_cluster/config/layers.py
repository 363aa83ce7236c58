"""The settings of the site, the cluster and the user, layered: a nearer layer overrides a farther one.

Every layer has the same two kinds of sections, [defaults] and [preset NAME], with the keys of the table of options.
From the nearest to the farthest: the command line, a preset, the user's file, the cluster's file, the site's file, the
built-in defaults.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightship_cluster.config.ini import ASK, Form, Known, Values, read_ini, wrong
from lightship_cluster.config.options import BUILT_IN, INTERFACES, SCHEDULERS, SETTINGS, SOURCES, did_you_mean
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.paths import home
from lightship_cluster.core.texts import quoted
from lightship_protocol import centre

PRESET = "preset "
KEYS = tuple(SETTINGS)
SECTIONS: Known = {"defaults": KEYS, PRESET: KEYS}
CORRECT = "Correct that line or remove it."
USERS = Form(
    SECTIONS,
    CORRECT,
    reserved=("registry", "ca_file", "agent_socket", "cluster", "hosts", "notebook_networks", *centre.KEYS),
    why_reserved="is for the site's administrators to set. Yours may have [defaults] and [preset NAME].",
)

Request = Mapping[str, Any]


@dataclass(frozen=True)
class Layer:
    """The settings in one file."""

    path: Path
    defaults: Request
    presets: Mapping[str, Request]


def user_file() -> Path | None:
    """The path of the user's own settings; None for a user without a home."""
    chosen = os.environ.get("XDG_CONFIG_HOME", "")
    try:
        # The standard says that a path which is not absolute is none.
        base = Path(chosen) if chosen.startswith("/") else home() / ".config"
    except RuntimeError:
        return None
    return base / "lightship" / "lightship.ini"


def read_user(path: Path | None) -> tuple[Layer | None, str]:
    """The user's layer, or a warning if its file cannot be read: a notebook can start without it."""
    if path is None:
        return None, ""
    try:
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        return None, f"Your settings {path} cannot be read ({error.strerror}); the site's alone are used."
    return layer_of(path, read_ini(path, USERS), CORRECT), ""


def layer_of(path: Path, sections: Mapping[str, Values], help_from: str = ASK) -> Layer:
    """Read the settings about jobs from the sections of a file."""
    presets = {
        name[len(PRESET) :].strip(): _request(path, name, values, help_from)
        for name, values in sections.items()
        if name.startswith(PRESET)
    }
    return Layer(path, _request(path, "defaults", sections["defaults"], help_from), presets)


def choose(layers: Sequence[Layer], given: Request, preset: str = "") -> Request:
    """The value of every key; the layers come from the farthest to the nearest."""
    chosen: Request = BUILT_IN
    for layer in layers:
        chosen = _over(chosen, layer.defaults)
    if preset:
        chosen = _over(chosen, find_preset(layers, preset))
    return _over(chosen, split_batch(given))


def find_preset(layers: Sequence[Layer], name: str) -> Request:
    """The nearest preset with this name; presets with the same name are not merged."""
    for layer in reversed(layers):
        if name in layer.presets:
            return layer.presets[name]
    known = tuple(sorted({known for layer in layers for known in layer.presets}))
    there = f"There is: {', '.join(known)}." if known else "There is none; [preset NAME] in your settings makes one."
    raise LightshipError(f"There is no preset {quoted(name)}.{did_you_mean(name, known)} {there}", ExitStatus.USAGE)


def split_batch(request: Request) -> Request:
    """Split `slurm/jupyterlab.sh` into scheduler and interface, so that a nearer layer can override one of them."""
    folder, file = _site_script(request)
    if folder not in SCHEDULERS:
        return request
    said = {**request, "scheduler": request.get("scheduler") or folder}
    app = file[: -len(".sh")]
    return {**said, "batch": "", "interface": app} if INTERFACES.get(app) == file else said


def _site_script(request: Request) -> tuple[str, str]:
    folder, _, file = str(request.get("batch") or "").partition("/")
    return folder, file


def _over(far: Request, near: Request) -> Request:
    both = {**far, **near}
    folder, _ = _site_script(far)
    other = folder in SCHEDULERS and near.get("scheduler", folder) != folder
    # A nearer interface, program or scheduler overrides the script of a farther layer.
    if ("interface" in near or near.get("app") or other) and not near.get("batch"):
        both["batch"] = ""
    if "interface" in near and not near.get("app"):
        both["app"] = ()
    if any(source in near for source in SOURCES):
        both = _one_source(both, near)
    return both


def _one_source(both: dict[str, Any], near: Request) -> dict[str, Any]:
    """Keep one source of Jupyter; the options of a container go when its image does."""
    if any(near.get(source) for source in SOURCES):
        both.update({source: near.get(source, "") for source in SOURCES})
    if not both["image"]:
        both.update({key: near.get(key, BUILT_IN[key]) for key in ("runtime", "binds", "gpu")})
    return both


def _request(path: Path, section: str, values: Values, help_from: str) -> Request:
    found = {}
    for key, text in values.items():
        try:
            found[key] = SETTINGS[key].read_setting(text)
        except ValueError as error:
            raise wrong(path, f"in [{section}], {key}: {error}", help_from) from error
    return split_batch(found)
