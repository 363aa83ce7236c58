from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from lightship_protocol.centre import Centre
from lightship_registry.core.records import Glance
from lightship_registry.pages import routes
from lightship_registry.store.links import LinkStore
from unit.lightship_registry.testbed import DOMAIN, TOKEN, TOKEN_SHA256, Testbed, build_testbed, notebook


def page(testbed: Testbed, host: str, method: str = "GET", path: str = "/") -> httpx.Response:
    return testbed.send(method, path, headers={"Host": host})


def of(testbed: Testbed, made: dict[str, Any], **options: str) -> httpx.Response:
    return page(testbed, f"{made['name']}.{DOMAIN}:8443", **options)


def test_waiting_starting_ready_ended(testbed: Testbed, tmp_path: Path) -> None:
    made = testbed.create()
    answers = [of(testbed, made)]
    identity = testbed.claim(made)
    answers.append(of(testbed, made))
    with notebook(identity.server_context(tmp_path)) as port:
        testbed.job(made, "target", {"port": port})
    answers.append(of(testbed, made))
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert '<meta http-equiv="refresh" content="3">' in answer.text, "without a URL the query stays"
        assert made["name"] in answer.text
        assert answer.text.count('aria-current="step"') == 1
    assert len({answer.text for answer in answers}) == 3
    testbed.job(made, "end")
    assert of(testbed, made).status_code == 404


def test_all_dead_names_look_alike(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.job(made, "end", {"reason": "told to nobody"})
    ended = of(testbed, made)
    assert ended.status_code == 404
    hosts = ["never-was-there", "x", "registry.registry", "a.b", "UPPER-CASE-NAME", "..", "%00"]
    for host in (*(f"{label}.{DOMAIN}" for label in hosts), "other.example.org", "[::1]:80", made["name"]):
        answer = page(testbed, host, path="/lab?token=x")
        assert (answer.status_code, answer.content, dict(answer.headers)) == (404, ended.content, dict(ended.headers))


def test_host_is_read_kindly(testbed: Testbed) -> None:
    made = testbed.create()
    assert page(testbed, f"{made['name'].upper()}.{DOMAIN}.").status_code == 503


def test_only_reading(testbed: Testbed) -> None:
    made = testbed.create()
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        known, unknown = of(testbed, made, method=method), page(testbed, f"no-such-name.{DOMAIN}", method)
        assert (known.status_code, known.content) == (405, unknown.content)
        assert known.headers["allow"] == "GET, HEAD"
    assert of(testbed, made, method="HEAD").status_code == 503


def test_the_api_is_on_its_own_host_only(testbed: Testbed) -> None:
    made = testbed.create()
    for host in (f"{made['name']}.{DOMAIN}", DOMAIN):
        assert "text/html" in page(testbed, host, path="/v1/ping").headers["content-type"]


def test_headers_and_style(testbed: Testbed) -> None:
    answer = of(testbed, testbed.create())
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text
    assert "style=" not in answer.text


def test_unusable_store(testbed: Testbed) -> None:
    made = testbed.create()
    with testbed.engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE links")
    answer = of(testbed, made)
    assert answer.status_code == 500
    assert "not your notebook" in answer.text


@pytest.mark.parametrize("host", ["", ":", ".", "a" * 5000])
def test_odd_hosts(testbed: Testbed, host: str) -> None:
    assert page(testbed, host).status_code == 404


def shown(
    testbed: Testbed, made: dict[str, Any], method: str = "GET", path: str = "/", **headers: str
) -> httpx.Response:
    """What the owner's browser gets."""
    host = f"{made['name']}.{DOMAIN}:8443"
    return testbed.send(method, path, headers={"Host": host, "X-Lightship-Token": TOKEN, **headers})


def test_the_owner_sees_what_a_stranger_does_not(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256, title="Protein folding")
    testbed.change(
        made, job_id="4711", job_state="queued", job_reason="All nodes are busy", job_start=testbed.clock() + 60
    )
    details = ("Protein folding", "4711", "All nodes are busy", "<form", "<script")
    assert not any(detail in of(testbed, made).text for detail in details)
    answer = shown(testbed, made)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert [detail for detail in details if detail not in answer.text] == []
    assert re.search(r'<noscript><meta http-equiv="refresh" content="\d+"></noscript>', answer.text)


def test_the_owners_browser_is_remembered_and_no_other(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    for _ in ("waiting", "ended"):
        assert "set-cookie" not in of(testbed, made).headers
        name, *attributes = shown(testbed, made).headers["set-cookie"].split("; ")
        assert name == f"__Host-lightship={TOKEN}"
        assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax", "Max-Age=604800"} == set(attributes)
        testbed.job(made, "end")


def test_a_centre_tells_those_who_wait(tmp_path: Path) -> None:
    testbed = build_testbed(tmp_path, message="Maintenance <on> Friday")
    made = testbed.create(token_sha256=TOKEN_SHA256)
    assert "Maintenance &lt;on&gt; Friday" in shown(testbed, made).text
    assert "Maintenance" not in of(testbed, made).text


def test_a_page_that_gives_way_at_once_does_not_listen(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, state="ready", target="https://127.0.0.1:1", lease_until=testbed.clock() + 60)
    assert "<noscript>" not in shown(testbed, made).text
    assert '<meta http-equiv="refresh" content="3">' in shown(testbed, made).text


def run(testbed: Testbed, made: dict[str, Any], left: float = 1000) -> None:
    """Its notebook answers, for so long."""
    now = testbed.clock()
    testbed.change(
        made,
        state="ready",
        target="https://127.0.0.1:1",
        job_id="4711",
        ready_at=now - 60,
        expires_at=now + left,
        lease_until=now + 90,
    )


def test_the_owner_of_a_running_notebook_sees_its_time_and_how_to_open_or_end_it(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256, title="Protein folding")
    run(testbed, made)
    answer = shown(testbed, made, path="/status")
    assert answer.status_code == 200
    for part in (
        made["name"],
        "Protein folding",
        "4711",
        "16 minutes",
        '<a class="open" href="/.lightship/enter"',
        "demo",
        f"start-jupyter stop {made['name']}",
        "at most 30 s later",
    ):
        assert part in answer.text
    assert '<noscript><meta http-equiv="refresh" content="60"></noscript>' in answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["set-cookie"].startswith(f"__Host-lightship={TOKEN}; ")


def test_a_running_notebooks_page_tells_it_nothing_that_it_does_not_know(testbed: Testbed) -> None:
    made, other = testbed.create(token_sha256=TOKEN_SHA256, command="start-jupyter -A abc"), testbed.create()
    run(testbed, made)
    link, text = testbed.store.find(made["name"]), shown(testbed, made, path="/status").text
    assert link
    known = (TOKEN, TOKEN_SHA256, made["secret"], link.secret_sha256, other["name"], "alice", "127.0.0.1", "abc")
    # Its own name it knows, in which chance may write anybody's: there is the word chalice.
    text = text.replace(made["name"], "")
    assert [secret for secret in known if secret in text] == []


def test_the_last_five_minutes_are_warned_of_in_heading_title_and_alert(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    run(testbed, made, 299)
    text = shown(testbed, made, path="/status").text
    end = re.search(r"<title>This notebook ends in 4 min, at (\d\d:\d\d UTC): save your work</title>", text)
    assert end
    (alert,) = re.findall(r'<div role="alert"[^>]*>(.*?)</div>', text, re.DOTALL)
    assert "hidden" not in alert
    heading = re.sub(r"<[^>]+>", "", alert)
    assert heading == f"This notebook ends in 4 min, at {end[1]}: save your work"
    assert 'data-row="heading" hidden' in text


def test_at_the_pages_own_path_the_owner_sees_room_and_ended_page_as_elsewhere(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    assert shown(testbed, made, path="/status").text == shown(testbed, made).text
    testbed.job(made, "end")
    assert shown(testbed, made, path="/status").status_code == 410
    assert shown(testbed, made, path="/status").text == shown(testbed, made).text


@pytest.mark.parametrize("path", ["/status", "/none", "/running", "/events", "/enter"])
def test_at_the_pages_own_paths_strangers_cannot_tell_names_apart(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    waiting, silent, ended, bare = (
        testbed.create(token_sha256=TOKEN_SHA256),
        testbed.create(token_sha256=TOKEN_SHA256),
        testbed.create(token_sha256=TOKEN_SHA256),
        testbed.create(),
    )
    # Without a route, as its own address is.
    run(testbed, silent)
    testbed.change(silent, lease_until=testbed.clock() - 1)
    testbed.change(ended, state="ended")
    unknown = page(testbed, f"no-such-name.{DOMAIN}:8443", path=path)
    # Not even a link whose waiting everybody may see is looked up.
    monkeypatch.setattr(LinkStore, "find", None)
    for made in (waiting, silent, ended, bare):
        answer = of(testbed, made, path=path)
        assert (answer.status_code, answer.content, answer.headers) == (404, unknown.content, unknown.headers)


def test_below_the_pages_own_path_there_is_nothing_else(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    run(testbed, made)
    assert shown(testbed, made, path="/none").content == page(testbed, f"no-such-name.{DOMAIN}").content


def test_ending_a_running_notebook_closes_its_route_and_cuts_what_is_open(testbed: Testbed, tmp_path: Path) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    identity = testbed.claim(made)
    with notebook(identity.server_context(tmp_path)) as port:
        testbed.job(made, "target", {"port": port})
    assert made["name"] in testbed.routes
    answer = shown(testbed, made, "POST", "/cancel", Origin=testbed.settings.origin(made["name"]))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert testbed.routes == {}
    assert [order.name for order in testbed.settings.folders.cut_dir.iterdir()] == [made["name"]]
    assert testbed.job(made, "heartbeat").status_code == 410
    text = shown(testbed, made).text
    assert "You ended this notebook" in text
    assert "on its page" in text
    assert testbed.status(made)["cause"] == "cancelled"


def test_the_ended_page_says_why_and_what_starts_it_again(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256, command="start-jupyter -t 60")
    testbed.change(made, job_id="4711", ready_at=testbed.clock())
    testbed.clock.now += 1200
    testbed.job(made, "end", {"cause": "out-of-memory", "reason": "Killed", "tail": "first\nlast <line>"})
    answer = shown(testbed, made)
    assert answer.status_code == 410
    for part in ("ran out of memory", "20 minutes of 30 minutes", "Killed", "last &lt;line&gt;", "start-jupyter -t 60"):
        assert part in answer.text
    assert "scancel" not in answer.text
    assert of(testbed, made).status_code == 404


def test_the_ended_page_of_one_that_ran_out_of_memory_asks_for_twice_as_much(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256, command="start-jupyter -t 60 -m 4G")
    testbed.job(made, "end", {"cause": "out-of-memory", "reason": "Killed"})
    text = shown(testbed, made).text
    assert "<code data-command>start-jupyter -t 60 -m 8G</code>" in text
    assert "twice as much memory as before, <code>-m 8G</code>" in text


def test_a_link_that_never_opened_tells_how_its_job_leaves_the_queue(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, job_id="4711")
    shown(testbed, made, "POST", "/cancel", Origin=testbed.settings.origin(made["name"]))
    text = shown(testbed, made).text
    assert "scancel 4711" in text
    assert "Never opened" in text


@pytest.mark.parametrize(
    "columns", [{"job_state": "running"}, {"job_state": "ended"}, {"certificate_sha256": "0" * 64}, {"ready_at": 1.0}]
)
def test_a_job_that_ran_is_not_said_to_be_in_the_queue(testbed: Testbed, columns: dict[str, object]) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, job_id="4711", **columns)
    testbed.job(made, "end", {"cause": "failed"})
    assert "in the queue" not in shown(testbed, made).text


def test_the_page_of_a_running_notebook_says_where_it_runs(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    run(testbed, made)
    # A job of an older version says nothing of it.
    for label in ("Node", "Partition", "Folder"):
        assert f"<dt>{label}</dt>" not in shown(testbed, made, path="/status").text
    where = {"node": "node1", "partition": "gpu", "folder": "/home/alice/<b>"}
    testbed.change(made, **where)
    text = shown(testbed, made, path="/status").text
    for label, told in {"Cluster": "demo", "Node": "node1", "Partition": "gpu"}.items():
        assert f"<dt>{label}</dt><dd>{told}</dd>" in text
    assert "<dd>/home/alice/&lt;b&gt;</dd>" in text
    for detail in ("node1", "/home/alice", "gpu"):
        assert detail not in of(testbed, made, path="/status").text


def test_a_program_is_called_a_program_on_every_page(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256, subject="program")
    seen = [shown(testbed, made).text]
    run(testbed, made)
    seen.append(shown(testbed, made, path="/status").text)
    testbed.job(made, "end", {"cause": "stopped"})
    seen.append(shown(testbed, made).text)
    for text in seen:
        words = re.sub(r"(?s)<style>.*?</style>|<script>.*?</script>|<footer>.*", "", text)
        assert "program" in words
        assert "otebook" not in words


def test_every_page_leads_to_the_guide_and_to_those_who_help(tmp_path: Path) -> None:
    centre = Centre("Example Centre", "help@example.org", "https://example.org/guide")
    testbed = build_testbed(tmp_path, centre=centre)
    made = testbed.create(token_sha256=TOKEN_SHA256)
    seen = [of(testbed, made), page(testbed, DOMAIN), of(testbed, testbed.create()), shown(testbed, made)]
    run(testbed, made)
    seen += [
        shown(testbed, made, path="/status"),
        of(testbed, made, path="/enter"),
        shown(testbed, made, path="/enter"),
    ]
    testbed.job(made, "end")
    seen.append(shown(testbed, made))
    assert len({answer.text for answer in seen}) == len(seen)
    for answer in seen:
        assert '<a href="https://example.org/guide">Guide</a>' in answer.text
        assert '<a href="mailto:help@example.org">Contact Example Centre</a>' in answer.text


def test_the_owner_cancels(testbed: Testbed, caplog: pytest.LogCaptureFixture) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    with caplog.at_level(logging.INFO):
        answers = [shown(testbed, made, "POST", "/cancel", Origin=testbed.settings.origin(made["name"])) for _ in "ab"]
    assert [(answer.status_code, answer.headers["location"]) for answer in answers] == [(303, "/")] * 2
    assert testbed.status(made)["reason"] == "Cancelled on its page."
    assert testbed.status(made)["cause"] == "cancelled"
    assert caplog.text.count('"action": "cancel", "result": "ok", "cluster": "demo", "user": "alice"') == 1
    assert TOKEN not in caplog.text


def test_nobody_else_cancels(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    stranger = of(testbed, made, method="POST", path="/cancel")
    nobody = page(testbed, f"no-such-name.{DOMAIN}", "POST", "/cancel")
    assert (stranger.status_code, stranger.content) == (404, nobody.content)
    for origin in ("https://other-link-here.notebooks.test:8443", "null", ""):
        assert shown(testbed, made, "POST", "/cancel", Origin=origin).status_code == 403
    assert shown(testbed, made, "POST", "/cancel").status_code == 403
    for method in ("GET", "HEAD", "PUT"):
        assert shown(testbed, made, method, "/cancel").status_code == 405
    assert testbed.status(made)["state"] == "waiting"


def test_ended_and_unknown_names_cost_the_same_small_lookup(testbed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, state="ended")
    asked: list[str] = []
    glance = LinkStore.glance

    def counted(store: LinkStore, name: str) -> Glance:
        asked.append(name)
        return glance(store, name)

    monkeypatch.setattr(LinkStore, "glance", counted)
    monkeypatch.setattr(LinkStore, "find", None)
    for host in (made["name"], "never-was-there", "UPPER", "a.b"):
        assert page(testbed, f"{host}.{DOMAIN}").status_code == 404
    assert len(asked) == 4


def test_workstations_fetch_their_certificates_at_the_domain(
    testbed: Testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = tmp_path / "certificates.json"
    monkeypatch.setattr(routes, "WORKSTATIONS", public)
    assert page(testbed, DOMAIN, path="/certificates").status_code == 404
    public.write_text('{"ws1.notebooks.example.org": "-----BEGIN CERTIFICATE-----"}')
    answer = page(testbed, DOMAIN, path="/certificates")
    assert (answer.status_code, answer.json()) == (200, json.loads(public.read_text()))
    assert answer.headers["content-type"] == "application/json"


def test_a_site_that_is_its_own_authority_hands_out_its_root(
    testbed: Testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "authority.pem"
    monkeypatch.setattr(routes, "PRIVATE_ROOT", root)
    assert page(testbed, DOMAIN, path="/authority").status_code == 404
    root.write_text("-----BEGIN CERTIFICATE-----\n")
    answer = page(testbed, DOMAIN, path="/authority")
    assert (answer.status_code, answer.text) == (200, root.read_text())
    assert answer.headers["content-type"] == "application/x-x509-ca-cert"
    # Every other path of the domain is still the landing page.
    assert page(testbed, DOMAIN, path="/status").text == page(testbed, DOMAIN).text
