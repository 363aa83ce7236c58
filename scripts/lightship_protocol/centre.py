"""The centre that runs the service: its name, its contact and its guide, as the pages of both sides show them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lightship_protocol import limits

NAME, CONTACT, GUIDE = KEYS = ("centre_name", "contact", "guide_url")
MAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
WEB = re.compile(r"https?://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?(/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]{0,500})?")


class CentreError(ValueError):
    """A value that cannot be used; `key` names it. Each side writes its own message."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True)
class Centre:
    """Each value may be empty."""

    name: str = ""
    # An e-mail address or a web address.
    contact: str = ""
    guide_url: str = ""

    @property
    def contact_url(self) -> str:
        """The address of the link to the contact."""
        return f"mailto:{self.contact}" if MAIL.fullmatch(self.contact) else self.contact


UNNAMED = Centre()


def centre_of(values: Mapping[str, object]) -> Centre:
    """Check the values of KEYS; one that is missing is empty.

    Raises:
        CentreError: the first value that cannot be used.
    """
    name, contact, guide_url = (values.get(key, "") for key in KEYS)
    # Only the common space is printable: a no-break space is refused, as is every invisible character.
    if not isinstance(name, str) or len(name) > limits.CENTRE_NAME or not name.isprintable():
        raise CentreError(NAME)
    return Centre(name.strip(), _address(CONTACT, contact, MAIL, WEB), _address(GUIDE, guide_url, WEB))


def _address(key: str, value: object, *forms: re.Pattern[str]) -> str:
    if not isinstance(value, str) or (value and not any(form.fullmatch(value) for form in forms)):
        raise CentreError(key)
    return value
