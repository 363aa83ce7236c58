"""Reads INI files with known sections and keys; an error names the file, the section and the likely spelling."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.config.options import did_you_mean
from lightship_cluster.core.errors import ExitStatus, LightshipError

ASK = "Ask your administrators."

Values = dict[str, str]
# The keys of each section. A name that ends with a space, as "preset ", stands for all sections that begin with it.
Known = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Form:
    """The sections and keys that a file may have, the keys reserved for other files, and who helps with an error."""

    known: Known
    help_from: str = ASK
    reserved: tuple[str, ...] = ()
    why_reserved: str = ""


def read_ini(path: Path, form: Form) -> dict[str, Values]:
    """The sections of the file; known sections that it lacks are empty, except named ones such as presets."""
    parser = configparser.ConfigParser(
        interpolation=None, inline_comment_prefixes=("#", ";"), default_section="\0", strict=True
    )
    try:
        parser.read_string(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise wrong(path, f"it cannot be read ({error.strerror}).", form.help_from) from error
    except (configparser.Error, UnicodeDecodeError) as error:
        raise wrong(path, " ".join(str(error).split()) + ".", form.help_from) from error
    sections: dict[str, Values] = {name: {} for name in form.known if not name.endswith(" ")}
    for name in parser.sections():
        sections[name] = dict(parser[name])
        fault = _fault(name, sections[name], form)
        if fault:
            raise wrong(path, fault, form.help_from)
    return sections


def wrong(path: Path, why: str, help_from: str = ASK) -> LightshipError:
    """The error for a file that cannot be used."""
    return LightshipError(f"The settings {path} are wrong: {why} {help_from}".rstrip(), ExitStatus.SETTINGS)


def _fault(section: str, values: Values, form: Form) -> str:
    for key in values:
        if key in form.reserved:
            return f"in [{section}], {key!r} {form.why_reserved}"
    keys = form.known.get(_kind(section))
    if keys is None:
        return f"there is no section [{section}].{_hint(section, tuple(map(_shown, form.known)))}"
    strange = [key for key in values if key not in keys]
    return f"in [{section}], {strange[0]!r} is not a setting.{_hint(strange[0], keys)}" if strange else ""


def _hint(word: str, known: tuple[str, ...]) -> str:
    return did_you_mean(word, known) or f" There can be: {', '.join(known)}."


def _kind(section: str) -> str:
    first, blank, rest = section.partition(" ")
    return f"{first} " if blank and rest.strip() else section


def _shown(section: str) -> str:
    return f"[{section}NAME]" if section.endswith(" ") else f"[{section}]"
