from __future__ import annotations

from typing import Any

import pytest

from lightship_protocol.centre import UNNAMED, Centre
from lightship_registry.core.centre import read_centre
from lightship_registry.core.errors import RegistryError


def test_without_settings_there_is_none() -> None:
    assert read_centre({}) == UNNAMED


@pytest.mark.parametrize(
    ("contact", "url"),
    [
        ("help@example.org", "mailto:help@example.org"),
        ("https://example.org/help?a=b#c", "https://example.org/help?a=b#c"),
        ("", ""),
    ],
)
def test_a_contact_is_an_address_that_can_be_clicked(contact: str, url: str) -> None:
    centre = read_centre({"centre_name": " Example Centre ", "contact": contact, "guide_url": "http://example.org"})
    assert centre == Centre("Example Centre", contact, "http://example.org")
    assert centre.contact_url == url


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("centre_name", "x" * 101),
        ("centre_name", "two\nlines"),
        ("centre_name", 7),
        ("centre_name", "Example\u00a0Centre"),
        ("contact", "help@localhost"),
        ("contact", "javascript:alert(1)"),
        ("contact", "the help desk"),
        ("contact", "a@b.example?subject=x\n"),
        ("contact", 7),
        ("guide_url", "/guide"),
        ("guide_url", "javascript:alert(1)//https://"),
        ("guide_url", 'https://example.org/"onclick='),
        ("guide_url", ["https://example.org"]),
    ],
)
def test_anything_else_is_refused_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(RegistryError, match=key):
        read_centre({key: value})
