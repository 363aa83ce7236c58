"""Reads the centre's name, contact and guide from [lightship]; the auth proxy's pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightship_cluster.config.ini import ASK, wrong
from lightship_protocol import limits
from lightship_protocol.centre import CONTACT, GUIDE, KEYS, NAME, Centre, CentreError, centre_of


def read_centre(source: Path, values: Mapping[str, str], help_from: str = ASK) -> Centre:
    """Check the values; every mistake names the key and the source, the file that has it."""
    texts = {key: values.get(key, "") for key in KEYS}
    try:
        return centre_of({**texts, NAME: _unquoted(texts[NAME])})
    except CentreError as error:
        raise wrong(source, f"{error.key} must be {_rule(error.key, texts[error.key])}.", help_from) from error


def _unquoted(text: str) -> Any:  # noqa: ANN401 - JSON's
    """The name is quoted as in JSON: in these files, a # or ; after a blank begins a comment."""
    if not text:
        return ""
    # Imported late: few need it, and --help must answer at once.
    import json

    try:
        return json.loads(text)
    except ValueError:
        return None


def _rule(key: str, text: str) -> str:
    return {
        NAME: f"one line of text in double quotes, as in JSON, of at most {limits.CENTRE_NAME} characters, not {text}",
        CONTACT: f"an e-mail address or https://..., not {text!r}",
        GUIDE: f"https://..., not {text!r}",
    }[key]
