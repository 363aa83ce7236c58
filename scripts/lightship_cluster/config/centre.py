"""Who runs the service: the auth proxy's pages link to the centre's guide and to its contact."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lightship_cluster.config.ini import ASK, wrong
from lightship_protocol import limits

KEYS = ("centre_name", "contact", "guide_url")
# Whatever the registry accepts for its own pages is accepted here; the pages escape it.
WEB = re.compile(r"https?://[!-~]+", re.ASCII)
MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+", re.ASCII)


@dataclass(frozen=True)
class Centre:
    """Each value may be empty."""

    name: str = ""
    # An e-mail address, or an address of the web.
    contact: str = ""
    guide_url: str = ""

    @property
    def contact_url(self) -> str:
        """The address of the link to the contact."""
        return f"mailto:{self.contact}" if MAIL.fullmatch(self.contact) else self.contact


UNNAMED = Centre()


def read_centre(source: Path, values: Mapping[str, str], help_from: str = ASK) -> Centre:
    """Read the keys of [lightship]; the source is the file that has them."""
    name, contact, guide_url = (values.get(key, "") for key in KEYS)
    if contact and not (WEB.fullmatch(contact) or MAIL.fullmatch(contact)):
        raise wrong(source, f"contact must be an e-mail address or https://..., not {contact!r}.", help_from)
    if guide_url and not WEB.fullmatch(guide_url):
        raise wrong(source, f"guide_url must be https://..., not {guide_url!r}.", help_from)
    return Centre(_read_name(source, name, help_from), contact, guide_url)


def _read_name(source: Path, text: str, help_from: str) -> str:
    if not text:
        return ""
    # Imported late: few need it, and --help must answer at once.
    import json

    # Quoted as in JSON: in these files, a # or ; after a blank begins a comment.
    try:
        name = json.loads(text)
    except ValueError:
        name = None
    if not isinstance(name, str) or len(name) > limits.CENTRE_NAME or not name.isprintable():
        rule = f"one line of text in double quotes, as in JSON, of at most {limits.CENTRE_NAME} characters"
        raise wrong(source, f"centre_name must be {rule}, not {text}.", help_from)
    return name
