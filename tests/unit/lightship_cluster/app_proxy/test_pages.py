from __future__ import annotations

import html
import re

import pytest

from lightship_cluster.app_proxy import pages
from lightship_cluster.app_proxy.pages import AWAY, BAD, FORBIDDEN, FOREIGN
from lightship_protocol.centre import UNNAMED, Centre

ODD = Centre("""Zürich <b>"HPC"</b> & $title's""", "help@example.org", """https://example.org/?a='1'&b="<$text>""")


@pytest.mark.parametrize("refusal", [FORBIDDEN, FOREIGN, BAD, AWAY])
def test_every_page_leads_to_the_guide_and_the_contact(refusal: pages.Refusal) -> None:
    page = pages.refusal_page(refusal, ODD)
    (nav,) = re.findall(r'(?s)<nav aria-label="Help">(.*)</nav>', page)
    links = re.findall(r'<a href="([^"<>]*)">([^"<>]*)</a>', nav)
    assert [tuple(map(html.unescape, link)) for link in links] == [
        (ODD.guide_url, "Guide"),
        ("mailto:help@example.org", f"Contact {ODD.name}"),
    ]
    assert f"<h1>{refusal.title}</h1>\n<p>{refusal.text}</p>" in page


@pytest.mark.parametrize("centre", [UNNAMED, Centre("Only a name")])
def test_without_either_there_is_nothing_below(centre: Centre) -> None:
    page = pages.refusal_page(AWAY, centre)
    assert page.endswith("</main>\n</html>\n")
    assert "$" not in page
