"""The settings about the centre itself: the pages show its name, its guide and its contact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lightship_protocol import limits
from lightship_registry.core.errors import bad_settings

MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
WEB = re.compile(r"https?://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?(/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]{0,500})?")
KEYS = ("centre_name", "contact", "guide_url")


@dataclass(frozen=True)
class Centre:
    """Its name, its contact for users, and its guide; each may be empty."""

    name: str = ""
    contact: str = ""
    guide_url: str = ""

    @property
    def contact_url(self) -> str:
        """The URL of the contact."""
        return f"mailto:{self.contact}" if MAIL.fullmatch(self.contact) else self.contact


UNNAMED = Centre()


def read_centre(data: Mapping[str, Any]) -> Centre:
    """Check the settings; each error names the key and the remedy."""
    name, contact, guide = (data.get(key, "") for key in KEYS)
    if not isinstance(name, str) or len(name) > limits.CENTRE_NAME or not name.isprintable():
        rule = f"one line of plain text, at most {limits.CENTRE_NAME} characters"
        raise bad_settings(f"centre_name must be {rule}: {name!r}.")
    if contact != "" and not _fits(contact, MAIL, WEB):
        raise bad_settings(f'contact must be "", an e-mail address or https://..., not {contact!r}.')
    if guide != "" and not _fits(guide, WEB):
        raise bad_settings(f'guide_url must be "" or https://..., not {guide!r}.')
    return Centre(name.strip(), contact, guide)


def _fits(value: object, *forms: re.Pattern[str]) -> bool:
    return isinstance(value, str) and any(form.fullmatch(value) for form in forms)
