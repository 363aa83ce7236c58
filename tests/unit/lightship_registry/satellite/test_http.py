"""The six requests as Satellite's clients make them: successes to the letter, refusals by their first word."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lightship_registry.links.names import is_name
from lightship_registry.satellite import http
from unit.lightship_registry.dashboard_client import ask_dashboard
from unit.lightship_registry.programs import program
from unit.lightship_registry.satellites import LOGIN, NODE, OUTSIDE, Client, Rounds, build
from unit.lightship_registry.testbed import DOMAIN, Testbed, both_databases

pytestmark = both_databases


@pytest.fixture
def testbed(tmp_path: Path, store_url: str) -> Iterator[Testbed]:
    testbed = build(tmp_path, store_url=store_url)
    yield testbed
    testbed.close()


@pytest.fixture
def login(testbed: Testbed) -> Client:
    return Client(testbed)


@pytest.fixture
def node(testbed: Testbed) -> Client:
    return Client(testbed, NODE)


def test_a_notebook_lives_from_its_token_to_its_destruction(testbed: Testbed, login: Client, node: Client) -> None:
    name = login.token()
    assert is_name(name)
    assert login.state(name) == "PE"
    assert login.get(f"/linktoken.cgi?token={name}&jobid=4711") == "Success! Token linked to jobid.\n"
    assert login.report("4711 PENDING\n4712 RUNNING\n") == "Successfully updated jobs! \n"
    assert login.state(name) == "Q"
    login.report("4711 RUNNING\n")
    assert login.state(f"{name}.{DOMAIN}") == "R"
    with program() as port:
        assert node.redeem(name, port) == "Success!\n"
        assert (login.state(name), testbed.routes) == ("M", {})
        Rounds(testbed).go()
        assert (login.state(name), testbed.routes) == ("PR", {name: f"http://{NODE}:{port}\n"})
    assert node.get(f"/destroytoken.cgi?token={name}") == "Success! Token destroyed.\n"
    assert (login.state(name), testbed.routes) == ("U", {})
    assert [path.name for path in testbed.settings.folders.cut_dir.iterdir()] == [name]


def test_the_last_word_but_one_is_the_token_for_those_who_add_the_status(login: Client) -> None:
    """As Galyleo and start-jupyter read it: curl appends the status, awk takes the word before it."""
    answer = login.ask("/getlink.cgi")
    words = f"{answer.text}{answer.status_code}".split()
    assert (is_name(words[-2]), words[-1]) == (True, "200")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"


def test_a_refusal_begins_with_oops_and_has_status_200(testbed: Testbed) -> None:
    answer = Client(testbed, OUTSIDE).ask("/getlink.cgi")
    assert answer.status_code == 200
    assert answer.text == "Oops! Your address is in no cluster's networks. Try again from within the cluster.\n"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/redeemtoken.cgi", "Missing 'token' parameter"),
        ("/redeemtoken.cgi?token=", "Missing 'token' parameter"),
        ("/redeemtoken.cgi?token=NAME", "Missing 'port' parameter"),
        ("/redeemtoken.cgi?token=NAME&port=80", "'port' parameter isn't an integer between 1024 and 65535"),
        ("/redeemtoken.cgi?token=NAME&port=65536", "'port' parameter isn't an integer between 1024 and 65535"),
        ("/redeemtoken.cgi?token=NAME&port=-8888", "'port' parameter isn't an integer between 1024 and 65535"),
        ("/redeemtoken.cgi?token=NAME&port=8888x", "'port' parameter isn't an integer between 1024 and 65535"),
        ("/redeemtoken.cgi?token=NAME&port=0008888", "'port' parameter isn't an integer between 1024 and 65535"),
        ("/redeemtoken.cgi?token=NAME&port=%b2048", "'port' parameter isn't an integer between 1024 and 65535"),
        ("/redeemtoken.cgi?token=NAME&port=8888&port=8889", "Missing 'port' parameter"),
        ("/redeemtoken.cgi?token=NAME&revssh=1", "'revssh' is not offered here: give 'port'"),
        ("/redeemtoken.cgi?token=one-two-three&port=8888", "Unknown token, or one that was destroyed."),
        ("/redeemtoken.cgi?token=..%2F..%2Fetc&port=8888", "Unknown token, or one that was destroyed."),
        ("/linktoken.cgi?token=NAME", "Missing 'jobid' parameter"),
        ("/linktoken.cgi?token=NAME&jobid=%20%24", "Missing 'jobid' parameter, or one of more than 47 characters."),
        ("/linktoken.cgi?token=NAME\\&jobid=17", "Unknown token, or one that was destroyed."),
        ("/destroytoken.cgi", "Missing 'token' parameter"),
        ("/destroytoken.cgi?token=one-two-three", "Unknown token, or one that was destroyed."),
        ("/tokenjobstate.cgi", "Missing 'token' parameter"),
        ("/update-jobs.cgi", "Only POST method is supported"),
        ("/getlink.cgi?" + "&".join("abcdefghijklmnopqrstuvw"), "Too many parameters"),
    ],
)
def test_what_is_wrong_is_said(testbed: Testbed, node: Client, path: str, why: str) -> None:
    name = node.token()
    assert node.get(path.replace("NAME", name)) == f"Oops! {why}\n"
    assert node.state(name) == "PE"
    assert testbed.routes == {}


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_another_method_changes_nothing(login: Client, method: str) -> None:
    name = login.token()
    answer = login.ask(f"/destroytoken.cgi?token={name}", method=method)
    assert answer.status_code == 200
    assert answer.text in ("Oops! Only GET method is supported\n", "")
    assert login.state(name) == "PE"


def test_there_is_nothing_else(login: Client) -> None:
    for path in ("/", "/v1/ping", "/v1/links", "/getlink", "/getlink.cgi/", "//getlink.cgi"):
        assert login.ask(path).status_code == 404


def test_a_token_serves_once(login: Client, node: Client) -> None:
    name = login.token()
    with program() as port:
        assert node.redeem(name, port) == "Success!\n"
        assert node.redeem(name, port).startswith("Oops! That token was redeemed already")
        assert Client(node.testbed, "127.0.0.7").redeem(name, port).startswith("Oops! That token was redeemed already")
    assert login.get(f"/linktoken.cgi?token={name}&jobid=1") == "Success! Token linked to jobid.\n"
    assert login.get(f"/linktoken.cgi?token={name}&jobid=1").startswith("Oops! That token is linked to a jobid already")


def test_a_redeemed_token_is_destroyed_from_its_own_host_alone(login: Client, node: Client) -> None:
    name, other = login.token(), login.token()
    node.redeem(name, 8888)
    assert login.get(f"/destroytoken.cgi?token={name}").startswith("Oops! That token was redeemed on another host")
    assert login.state(name) == "M"
    assert node.get(f"/destroytoken.cgi?token={name}") == "Success! Token destroyed.\n"
    assert node.get(f"/destroytoken.cgi?token={name}").startswith("Oops! Unknown token")
    assert login.get(f"/destroytoken.cgi?token={other}") == "Success! Token destroyed.\n"


def test_a_host_has_as_many_links_as_the_site_allows(tmp_path: Path, store_url: str) -> None:
    (tmp_path / "small").mkdir()
    testbed = build(tmp_path / "small", satellite_quota=2, satellite_creations_per_hour=3, store_url=store_url)
    login = Client(testbed)
    name = login.token()
    login.token()
    assert login.get("/getlink.cgi").startswith("Oops! This host has 2 live links, as many as are allowed.")
    login.get(f"/destroytoken.cgi?token={name}")
    login.token()
    assert "This host made 3 links within the last hour" in login.get("/getlink.cgi")
    Client(testbed, NODE).token()
    testbed.close()


def test_without_such_networks_there_is_no_interface(tmp_path: Path, store_url: str) -> None:
    (tmp_path / "off").mkdir()
    testbed = build(tmp_path / "off", satellite_networks={}, store_url=store_url)
    answer = Client(testbed).ask("/getlink.cgi")
    assert (answer.status_code, "Oops" in answer.text) == (404, False)
    assert "lightship_satellite_links" not in ask_dashboard(testbed, "/metrics").text
    testbed.close()


def test_every_step_is_in_the_audit_under_its_own_name(
    testbed: Testbed, login: Client, node: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "lightship.audit")
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    login.state(name)
    with program() as port:
        node.redeem(name, port)
        Rounds(testbed).go()
        Client(testbed, OUTSIDE).redeem(name, port)
        node.get(f"/destroytoken.cgi?token={name}")
    told = [json.loads(entry.getMessage()) for entry in caplog.records]
    assert [(each["action"], each["result"], each.get("user")) for each in told] == [
        ("satellite-getlink", "ok", f"satellite:{LOGIN}"),
        ("satellite-linktoken", "ok", f"satellite:{LOGIN}"),
        ("satellite-redeemtoken", "ok", f"satellite:{NODE}"),
        ("satellite-publish", "ok", f"satellite:{LOGIN}"),
        ("satellite-redeemtoken", "refused", None),
        ("satellite-destroytoken", "ok", f"satellite:{NODE}"),
    ]
    assert {each.get("link") for each in told if each["result"] == "ok"} == {name}
    assert told[3]["target"] == f"{NODE}:{port}"


def test_those_who_look_see_which_links_are_satellites(testbed: Testbed, login: Client) -> None:
    login.token()
    testbed.create("alice")
    page, metrics = ask_dashboard(testbed).text, ask_dashboard(testbed, "/metrics").text
    assert "2 (1 by Satellite&#39;s API)" in page
    assert 'lightship_links{cluster="demo",state="waiting"} 2.0' in metrics
    assert 'lightship_satellite_links{cluster="demo",state="waiting"} 1.0' in metrics
    assert 'lightship_satellite_links{cluster="demo",state="ready"} 0.0' in metrics
    assert 'lightship_http_requests_total{action="satellite-getlink",status="200"} 1.0' in metrics


def test_its_address_has_the_waiting_page_and_afterwards_none(testbed: Testbed, login: Client, node: Client) -> None:
    name = login.token()
    page = {"Host": f"{name}.{DOMAIN}:8443"}
    assert "waiting for its turn" in testbed.send("GET", "/", headers=page).text
    with socket.create_server((NODE, 0)) as listener:
        node.redeem(name, listener.getsockname()[1])
        assert testbed.send("GET", "/", headers=page).status_code == 503
        node.get(f"/destroytoken.cgi?token={name}")
    assert testbed.send("GET", "/", headers=page).status_code == 404


def page_of(testbed: Testbed, name: str) -> str:
    return html.unescape(testbed.send("GET", "/", headers={"Host": f"{name}.{DOMAIN}:8443"}).text)


def test_its_page_says_what_was_told_of_its_job(testbed: Testbed, login: Client) -> None:
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    for word, expected in (
        ("PENDING", "waiting for its turn"),
        ("RUNNING", "is starting on its node"),
        ("CANCELLED", "Your job is over"),
        ("NODE_FAIL", "no notebook came up"),
    ):
        login.report(f"17 {word}\n")
        assert expected in page_of(testbed, name)
    # Anybody in the cluster may have said so.
    assert login.state(name) == "D"
    login.report("17 RUNNING\n")
    assert "is starting on its node" in page_of(testbed, name)


def test_its_page_says_for_how_long_its_port_rests(testbed: Testbed, login: Client, node: Client) -> None:
    rounds = Rounds(testbed)
    with program() as port:
        first = login.token()
        node.redeem(first, port)
        rounds.go()
    rounds.until(lambda: getattr(testbed.store.find(first), "state", "") == "ended")
    second = login.token()
    with program(port=port):
        node.redeem(second, port)
        rounds.go()
        testbed.clock.now += 20
        assert f"Port {port} of its node was another notebook's" in page_of(testbed, second)
        assert "it opens in 55 seconds" in page_of(testbed, second)
        testbed.clock.now += 55
        assert "is starting on its node" in page_of(testbed, second)
        rounds.go()
        assert login.state(second) == "PR"
    fresh = login.token()
    node.redeem(fresh, port + 1)
    assert "was another notebook's" not in page_of(testbed, fresh)


@pytest.mark.parametrize("words", [["PENDING"], ["PENDING", "RUNNING"], ["RUNNING", "COMPLETED"]])
def test_a_state_that_comes_before_the_link_of_its_job_counts(
    testbed: Testbed, login: Client, words: list[str]
) -> None:
    name = login.token()
    for word in words:
        login.report(f"16 R\n17 {word}\n")
    login.report("18 COMPLETED\n")
    testbed.clock.now += 599
    assert login.state(name) == "PE"
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    assert login.state(name) == {"PENDING": "Q", "RUNNING": "R", "COMPLETED": "D"}[words[-1]]
    testbed.clock.now += 2
    assert login.state(name) == "PE"


def test_a_state_of_another_cluster_or_of_long_ago_does_not(testbed: Testbed, login: Client) -> None:
    name, other = login.token(), Client(testbed, "127.8.0.1")
    other.report("17 RUNNING\n")
    login.report("18 RUNNING\n")
    testbed.clock.now += 601
    login.get(f"/linktoken.cgi?token={name}&jobid=17")
    late = login.token()
    login.get(f"/linktoken.cgi?token={late}&jobid=18")
    assert [login.state(each) for each in (name, late)] == ["PE", "PE"]


@pytest.mark.parametrize("host", [f"{DOMAIN}:8443", f"{DOMAIN.upper()}.", f"manage.{DOMAIN}"])
def test_the_domain_itself_has_the_interface_too(testbed: Testbed, login: Client, host: str) -> None:
    def ask(path: str, method: str = "GET", body: bytes | None = None) -> str:
        return login.ask(path, method=method, body=body, headers={"Host": host}).text

    name = ask("/getlink.cgi").split()[-1]
    ask(f"/linktoken.cgi?token={name}&jobid=17")
    assert ask("/update-jobs.cgi", "POST", b"jobstates=\n17 RUNNING\n") == "Successfully updated jobs! \n"
    assert ask(f"/tokenjobstate.cgi?token={name}.{DOMAIN}") == "R"
    assert ask(f"/destroytoken.cgi?token={name}") == "Success! Token destroyed.\n"
    outside = Client(testbed, OUTSIDE).ask("/getlink.cgi", headers={"Host": host}).text
    assert outside.startswith("Oops! Your address")


def test_the_rest_of_the_domain_and_the_links_have_pages(login: Client) -> None:
    for host, path in ((DOMAIN, "/"), (DOMAIN, "/other.cgi"), (f"{login.token()}.{DOMAIN}", "/getlink.cgi")):
        assert "<html" in login.ask(path, headers={"Host": host}).text


def test_trouble_with_the_store_is_no_token(
    login: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lightship_registry.store.links.LinkStore.create", full)
    answer = login.ask("/getlink.cgi")
    assert (answer.status_code, answer.text[:5]) == (500, "Oops!")
    assert "No space left on device" in caplog.text
    assert "No space" not in answer.text


def test_a_report_of_a_large_cluster_is_taken_and_a_larger_one_refused(login: Client) -> None:
    name = login.token()
    login.get(f"/linktoken.cgi?token={name}&jobid=19999")
    login.report("".join(f"{number} RUNNING\n" for number in range(20000)))
    assert login.state(name) == "R"
    body = b"jobstates=" + b"x" * 2**20
    assert login.ask("/update-jobs.cgi", method="POST", body=body).text.startswith("Oops! The body is larger than")


def test_a_report_is_parsed_in_a_thread_and_keeps_nobody_else_waiting(
    login: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: dict[str, bool] = {}

    def noting(name: str) -> None:
        parse: Callable[..., Any] = getattr(http, name)

        def noted(text: Any) -> Any:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop()
                parsed[name] = False
            parsed.setdefault(name, True)
            return parse(text)

        monkeypatch.setattr(http, name, noted)

    for name in ("_fields", "jobs_in"):
        noting(name)
    assert login.report("\n" * 1_000_000) == "Successfully updated jobs! \n"
    assert parsed == {"_fields": True, "jobs_in": True}
