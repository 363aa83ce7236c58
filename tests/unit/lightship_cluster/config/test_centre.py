from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightship_cluster.config.centre import read_centre
from lightship_cluster.core.errors import LightshipError
from lightship_protocol.centre import UNNAMED, Centre
from lightship_registry.core import centre as registrys

FILE = Path("/opt/lightship/etc/lightship.ini")


def test_a_site_may_say_nothing_of_itself() -> None:
    assert (
        read_centre(FILE, {})
        == read_centre(FILE, dict.fromkeys(("centre_name", "contact", "guide_url"), ""))
        == UNNAMED
    )


@pytest.mark.parametrize(
    ("contact", "guide_url"),
    [
        ("help@example.org", "https://example.org/a/b.html#top"),
        ("first.last+hpc@sub.example.org", "http://example.org:8080/guide?a=(b)&c=d"),
        ("https://example.org/help?a=$b;c", ""),
        ("", "https://example.org"),
    ],
)
def test_what_the_registry_links_to_is_accepted_and_linked_to_in_the_same_way(contact: str, guide_url: str) -> None:
    values = {"contact": contact, "guide_url": guide_url}
    theirs = registrys.read_centre({"centre_name": "Zürich", **values})
    ours = read_centre(FILE, {"centre_name": json.dumps("Zürich"), **values})
    assert (ours.name, ours.contact_url, ours.guide_url) == (theirs.name, theirs.contact_url, theirs.guide_url)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("contact", "javascript:alert(1)"),
        ("contact", "data:text/html,x"),
        ("contact", "helpdesk"),
        ("contact", "help@example.org?subject=x"),
        ("contact", "https://example.org/a b"),
        ("guide_url", "help@example.org"),
        ("guide_url", "example.org/guide"),
        ("guide_url", "javascript:https://example.org"),
        ("guide_url", "https://example.org/ä"),
        ("centre_name", "no quotes"),
        ("centre_name", "7"),
        ("centre_name", '"two\\nlines"'),
        ("centre_name", json.dumps("x" * 101)),
        ("centre_name", json.dumps("Example\u00a0Centre", ensure_ascii=False)),
        ("centre_name", json.dumps("Example\u00a0Centre")),
        ("contact", "help@localhost"),
        ("guide_url", 'https://example.org/"a'),
    ],
)
def test_other_values_are_refused_with_the_key_and_the_value(key: str, text: str) -> None:
    with pytest.raises(LightshipError) as refused:
        read_centre(FILE, {key: text})
    assert f"{key} must be" in refused.value.sentence
    assert str(FILE) in refused.value.sentence
    assert text in refused.value.sentence


def test_a_name_alone_is_no_link() -> None:
    assert Centre("Example").contact_url == ""
