"""How a link dies: what its owner reads then, and that nothing of it stays open."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from support import bed

OPEN_SECONDS = 5


@pytest.fixture
def doomed() -> Iterator[bed.Notebook]:
    started = bed.start("alice")
    yield started
    bed.stop(started)


@pytest.fixture
def bystander() -> Iterator[bed.Notebook]:
    started = bed.start("bob", "-p debug -t 5")
    yield started
    bed.stop(started)


def lightship(arguments: str) -> object:
    """Run the administrator's command on the proxy and return the JSON that it prints."""
    answer: object = json.loads(bed.run("proxy", f"lightship {arguments} --json").stdout)
    return answer


def test_revoking_refuses_requests_cuts_what_is_open_and_stops_the_job(
    doomed: bed.Notebook, bystander: bed.Notebook
) -> None:
    with closing(bed.websocket(doomed)) as victims, closing(bed.websocket(bystander)) as others:
        lightship(f"revoke {doomed.name} --yes --reason 'The course is over.'")
        assert bed.status_of(doomed.name) == httpx.codes.NOT_FOUND
        assert bed.is_cut(victims, OPEN_SECONDS)
        assert not bed.is_cut(others, OPEN_SECONDS)
        assert bed.status_of(bystander.name) == httpx.codes.OK
    row = bed.record(doomed.name)
    assert (row["cause"], row["reason"]) == ("revoked", "The course is over.")
    # With its next heartbeat the job hears of it.
    bed.eventually(
        lambda: bed.run("login", f"squeue -h -j {doomed.job} -o %T", check=False).stdout.strip() in ("", "COMPLETING"),
        "the job of a revoked link runs on",
    )


def test_the_owner_reads_why_it_ended_and_a_stranger_does_not(doomed: bed.Notebook) -> None:
    with bed.client(f"{doomed.name}.{bed.DOMAIN}") as browser:
        # The first visit leaves a cookie that proves later whose browser this is.
        visit = browser.get("/api/status", params={"token": doomed.token})
        assert visit.status_code == httpx.codes.OK
        proof = next(cookie for cookie in visit.headers.get_list("set-cookie") if cookie.startswith("__Host-"))
        assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(proof.split("; "))
        bed.run("login", f"scancel {doomed.job}")
        bed.eventually(lambda: bed.record(doomed.name)["state"] == "ended", "a cancelled job's link lives on")
        owner = browser.get("/lab", headers={"Cookie": proof.partition(";")[0]})
    assert owner.status_code == httpx.codes.GONE
    assert "cancelled" in owner.text
    assert "start-jupyter -t 10" in owner.text
    assert doomed.token not in owner.text
    with bed.client(f"{doomed.name}.{bed.DOMAIN}") as browser:
        wrong = browser.get("/lab", params={"token": "0" * 32})
        forged = browser.get("/lab", headers={"X-Lightship-Token": doomed.token})
        assert browser.get("/lab", params={"token": doomed.token}).status_code == httpx.codes.GONE
    with bed.client(f"nobody-made-this.{bed.DOMAIN}") as browser:
        unknown = browser.get("/lab")
    for stranger in (wrong, forged):
        assert stranger.status_code == unknown.status_code == httpx.codes.NOT_FOUND
        assert stranger.content == unknown.content


def bystander_page(bystander: bed.Notebook) -> httpx.Response:
    with bed.client(f"{bystander.name}.{bed.DOMAIN}") as browser:
        return browser.get("/.lightship/")


def test_the_owner_ends_a_running_notebook_on_its_page_and_nobody_else_does(
    doomed: bed.Notebook, bystander: bed.Notebook
) -> None:
    host = f"{doomed.name}.{bed.DOMAIN}"
    origin = doomed.origin
    with bed.client(host) as browser, closing(bed.websocket(doomed)) as victims:
        page = browser.get("/.lightship/", params={"token": doomed.token})
        assert page.status_code == httpx.codes.OK
        assert "Your notebook is running" in page.text
        assert doomed.job in page.text
        assert doomed.token not in page.text
        proof = {"Cookie": page.headers["set-cookie"].partition(";")[0]}
        browser.cookies.clear()
        stranger, other = browser.get("/.lightship/"), bystander_page(bystander)
        # That something runs its own address tells everybody; not which of the two it is.
        assert stranger.status_code == other.status_code == httpx.codes.FORBIDDEN
        assert "This address needs its token" in stranger.text
        assert stranger.content == other.content
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Origin": origin}
        assert browser.get("/.lightship/running", headers={**proof, **upgrade}).status_code == httpx.codes.NOT_FOUND
        for headers in ({**proof, "Origin": bystander.origin}, {**proof, "Sec-Fetch-Site": "same-site"}, proof):
            assert browser.post("/.lightship/cancel", headers=headers).status_code == httpx.codes.FORBIDDEN
        assert browser.post("/.lightship/cancel", headers={"Origin": origin}).status_code == httpx.codes.NOT_FOUND
        assert bed.record(doomed.name)["state"] == "ready"

        assert (
            browser.post("/.lightship/cancel", headers={**proof, "Origin": origin}).status_code == httpx.codes.SEE_OTHER
        )
        assert doomed.name not in bed.routes()
        assert bed.is_cut(victims, OPEN_SECONDS)
        assert "You ended this notebook" in browser.get("/", headers=proof).text
    bed.eventually(
        lambda: bed.run("login", f"squeue -h -j {doomed.job} -o %T", check=False).stdout.strip() in ("", "COMPLETING"),
        "the job of a notebook that was ended on its page runs on",
    )
    assert bed.status_of(bystander.name) == httpx.codes.OK


def test_a_backup_brings_the_links_back(bystander: bed.Notebook) -> None:
    bed.run("proxy", "rm -f /root/links.tar.gz; lightship backup /root/links.tar.gz")
    bed.run("proxy", "systemctl stop lightship-registry; rm -rf /var/lib/lightship/* /run/lightship/routes/*")
    bed.run("proxy", "lightship restore /root/links.tar.gz --yes --force; systemctl start lightship-registry")
    bed.eventually(
        lambda: bed.status_of(bystander.name) == httpx.codes.OK, "a notebook did not come back with its next heartbeat"
    )
    assert bed.run("proxy", "lightship doctor").returncode == 0
