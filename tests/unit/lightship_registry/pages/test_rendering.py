from __future__ import annotations

import base64
import hashlib
import re

from lightship_protocol.centre import Centre
from lightship_registry.pages import running
from lightship_registry.pages.ended_page import TEXTS
from lightship_registry.pages.rendering import Renderer
from lightship_registry.pages.start_again import Again
from unit.lightship_registry.testbed import Testbed

MARKUP = "<b>&\"'</b>{{ 7 * 7 }}</script></style>"


def test_whatever_people_wrote_is_text(testbed: Testbed) -> None:
    made = testbed.create(title=MARKUP, command=MARKUP)
    testbed.change(made, reason=MARKUP, tail=MARKUP, job_id="1", ready_at=1.0)
    testbed.change(made, node=MARKUP, partition=MARKUP, folder=MARKUP)
    link, renderer = testbed.store.find(made["name"]), Renderer(Centre(MARKUP, MARKUP, MARKUP))
    assert link
    state = dict.fromkeys(("heading", "status", "reason", "start", "start_text", "start_ahead", "waited"), MARKUP)
    state |= {"step": "1", "job": MARKUP, "heard": MARKUP}
    alive = dict.fromkeys(running.state_of(link, testbed.clock()), MARKUP)
    times = {**dict.fromkeys(("ended", "ended_text", "ran", "waited", "asked"), ""), "queued": True, "reported": MARKUP}
    told = {"text": next(iter(TEXTS.values())), "again": Again(MARKUP, MARKUP), **times}
    for page in (
        renderer.render("room.html", link=link, state=state, message=MARKUP, refresh=3),
        renderer.render("ended_page.html", link=link, **told),
        renderer.render("running.html", link=link, state=alive, heartbeat=30, refresh=60, enter="/"),
    ):
        assert "<b>" not in page
        assert "49" not in re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>", "", page)
        assert page.count("&lt;b&gt;&amp;&#34;&#39;") >= 4 + len(("guide", "contact", "its name", "and again"))


def test_the_policy_names_the_very_style_and_script_of_the_page() -> None:
    renderer = Renderer()
    page = renderer.render("ended_page.html", **_stone())
    policy = renderer.headers(live=True)["Content-Security-Policy"]
    for element in ("style", "script"):
        (text,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        assert f"{element}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"\son\w+=|\sstyle=|\ssrc=|javascript:|https?:", page)


def test_only_what_a_page_needs_is_allowed() -> None:
    renderer = Renderer()
    assert "script" not in renderer.headers()["Content-Security-Policy"]
    assert "form-action 'none'" in renderer.headers(live=True)["Content-Security-Policy"]
    assert "form-action 'self'" in renderer.headers(form=True)["Content-Security-Policy"]


def _stone() -> dict[str, object]:
    link = {"name": "a-b-c", "title": "", "reason": "", "job_id": "", "command": "", "tail": "", "node": ""}
    times = dict.fromkeys(("ended", "ended_text", "ran", "waited", "asked", "queued", "reported"), "")
    return {"link": link, "text": next(iter(TEXTS.values())), "again": Again("start-jupyter"), **times}
