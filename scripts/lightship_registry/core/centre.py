"""Reads the centre's name, contact and guide from the service's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightship_protocol import limits
from lightship_protocol.centre import CONTACT, GUIDE, NAME, Centre, CentreError, centre_of
from lightship_registry.core.errors import bad_settings

_RULES = {
    NAME: f"one line of plain text, at most {limits.CENTRE_NAME} characters: ",
    CONTACT: '"", an e-mail address or https://..., not ',
    GUIDE: '"" or https://..., not ',
}


def read_centre(data: Mapping[str, Any]) -> Centre:
    """Check what the settings say; every mistake names the key and the remedy."""
    try:
        return centre_of(data)
    except CentreError as error:
        raise bad_settings(f"{error.key} must be {_RULES[error.key]}{data[error.key]!r}.") from error
