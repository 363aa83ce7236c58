"""Who is let into a notebook from our pages, where to, and who is asked for the token."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from starlette.requests import Request

from lightship_registry.pages import entrance
from unit.lightship_registry.testbed import DOMAIN, TOKEN, TOKEN_SHA256, Testbed

GOING = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
WRONG = "f" * 32


def ready(testbed: Testbed, made: dict[str, Any]) -> dict[str, Any]:
    now = testbed.clock()
    testbed.change(made, state="ready", target="https://127.0.0.1:1", expires_at=now + 1000, lease_until=now + 90)
    return made


@pytest.fixture
def made(testbed: Testbed) -> dict[str, Any]:
    return ready(testbed, testbed.create(token_sha256=TOKEN_SHA256))


def ask(
    testbed: Testbed, made: dict[str, Any], asked: str = "", *, token: str = TOKEN, method: str = "GET", **more: Any
) -> httpx.Response:
    """As the web server asks; without further headers a person goes there by hand."""
    headers = {"Host": f"{made['name']}.{DOMAIN}:8443", "X-Lightship-Token": token, **more.pop("headers", GOING)}
    path = f"/enter?next={quote(asked, safe='')}"
    return testbed.send(method, path, headers=headers, **more)


def post(testbed: Testbed, made: dict[str, Any], body: str, **headers: str) -> httpx.Response:
    own = {"Origin": testbed.settings.origin(made["name"]), **GOING, **headers}
    return ask(testbed, made, method="POST", token="", headers=own, content=body.encode())


def test_the_owner_is_let_in_once_and_nothing_keeps_or_passes_on_the_token(
    testbed: Testbed, made: dict[str, Any]
) -> None:
    answer = ask(testbed, made, "/lab/tree/a%20b.ipynb?reset")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/lab/tree/a%20b.ipynb?reset&token={TOKEN}"
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == ("no-store", "same-origin")
    assert answer.headers["set-cookie"].startswith(f"__Host-lightship={TOKEN}; ")
    assert answer.content == b""


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_it_is_the_owner_who_goes_there(testbed: Testbed, made: dict[str, Any], site: str) -> None:
    assert ask(testbed, made, headers={**GOING, "Sec-Fetch-Site": site}).headers["location"] == f"/?token={TOKEN}"


@pytest.mark.parametrize(
    "headers",
    [
        {**GOING, "Sec-Fetch-Site": "same-site"},
        {**GOING, "Sec-Fetch-Site": "cross-site"},
        {**GOING, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "iframe"},
        {**GOING, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {**GOING, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "serviceworker"},
        {**GOING, "Sec-Purpose": "prefetch"},
        {**GOING, "Sec-Purpose": "prefetch;prerender"},
        {**GOING, "Purpose": "prefetch"},
        {"Sec-Fetch-Site": "none"},
        {},
        {"Referer": "https://other-link-here.notebooks.test:8443/"},
        {"Referer": "https://{name}.notebooks.test:8443.evil.example/"},
    ],
)
def test_no_page_elsewhere_and_nothing_that_is_fetched_ahead_opens_it(
    testbed: Testbed, made: dict[str, Any], headers: dict[str, str]
) -> None:
    named = {key: text.format(name=made["name"]) for key, text in headers.items()}
    answer = ask(testbed, made, "/lab", headers=named)
    assert answer.status_code == 200
    assert TOKEN not in answer.text + str(answer.headers)
    assert 'href="/.lightship/enter?next=%2Flab"' in answer.text


def test_a_browser_of_old_shows_where_it_comes_from(testbed: Testbed, made: dict[str, Any]) -> None:
    own = {"Referer": f"{testbed.settings.origin(made['name'])}/.lightship/"}
    assert ask(testbed, made, headers=own).headers["location"] == f"/?token={TOKEN}"


@pytest.mark.parametrize(
    ("asked", "page"),
    [
        ("/lab", "/lab"),
        ("/tree?a=b&token=x&c", "/tree?a=b&c"),
        ("/lab?token=x", "/lab"),
        ("/lab#here", "/lab"),
        ("/ä b", "/%C3%A4%20b"),
        ("/lab/tree/a%20b", "/lab/tree/a%20b"),
        ("/a\r\nSet-Cookie: x", "/a%0D%0ASet-Cookie:%20x"),
        ("/\t/evil.example", "/%09/evil.example"),
        ("//evil.example/lab", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("lab", "/"),
        ("", "/"),
        ("/login?next=%2Flab", "/"),
        ("/logout", "/"),
        ("/lab/../logout?x", "/"),
        ("/%2e%2e/log%6fut", "/"),
        ("/x/..//.lightship/", "/"),
        ("/login/sso", "/login/sso"),
        ("/.lightship/cancel", "/"),
        ("/" + "x" * 3000, "/"),
    ],
)
def test_whatever_is_asked_for_it_leads_to_a_page_of_this_address(asked: str, page: str) -> None:
    assert entrance.destination(asked) == page
    address = urlsplit(entrance.with_token(page, TOKEN))
    assert (address.scheme, address.netloc) == ("", "")
    assert address.query.endswith(f"token={TOKEN}")


def test_whoever_has_no_token_is_asked_for_it(testbed: Testbed, made: dict[str, Any]) -> None:
    for token in ("", WRONG):
        answer = ask(testbed, made, "/lab/<b>", token=token)
        assert answer.status_code == 403
        assert "This address needs its token" in answer.text
        assert 'value="/lab/%3Cb%3E"' in answer.text
        assert "set-cookie" not in answer.headers
        assert "form-action 'self'" in answer.headers["content-security-policy"]
        assert "not the token" not in answer.text
        assert not any(told in answer.text for told in (made["name"], "alice", "demo"))
    assert "not the token" in ask(testbed, made, f"/lab?token={WRONG}", token="").text


@pytest.mark.parametrize(
    "typed",
    [TOKEN, f" {TOKEN}\n", TOKEN.upper(), f"https://a-b-c.notebooks.test/?token={TOKEN}", f"?x=y&token={TOKEN}#z"],
)
def test_the_token_or_the_whole_link_may_be_given(testbed: Testbed, made: dict[str, Any], typed: str) -> None:
    answer = post(testbed, made, f"next=%2Flab&token={quote(typed)}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/lab?token={TOKEN}")
    assert answer.headers["set-cookie"].startswith(f"__Host-lightship={TOKEN}; ")


@pytest.mark.parametrize(
    "body",
    ["", "token=", f"token={WRONG}", f"token={TOKEN[:-1]}", f"token={TOKEN}&token={WRONG}", "token=%FF", "ä", "&" * 99],
)
def test_a_wrong_token_is_called_wrong(testbed: Testbed, made: dict[str, Any], body: str) -> None:
    answer = post(testbed, made, body)
    assert (answer.status_code, "not the token" in answer.text) == (403, True)


def test_a_form_that_is_too_large_is_no_trouble_of_the_services(testbed: Testbed, made: dict[str, Any]) -> None:
    assert post(testbed, made, "x" * 100_000).status_code == 403


@pytest.mark.parametrize("origin", ["https://other-link-here.notebooks.test:8443", "null", ""])
def test_a_page_elsewhere_cannot_send_the_form(testbed: Testbed, made: dict[str, Any], origin: str) -> None:
    answer = post(testbed, made, f"token={TOKEN}", Origin=origin)
    assert (answer.status_code, answer.headers.get("location")) == (403, None)


def test_a_notebook_that_refused_the_very_token_is_not_sent_it_again(testbed: Testbed, made: dict[str, Any]) -> None:
    assert ask(testbed, made, f"/lab?token={TOKEN}").status_code == 403
    # An old link with a wrong one is of no matter to the owner whom the cookie knows.
    assert ask(testbed, made, f"/lab?token={WRONG}").headers["location"] == f"/lab?token={TOKEN}"


@pytest.mark.parametrize("state", ["waiting", "starting", "ended"])
def test_before_and_after_the_notebook_it_leads_to_the_page_of_the_link(testbed: Testbed, state: str) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, state=state)
    assert ask(testbed, made).headers["location"] == "/.lightship/"
    assert post(testbed, made, f"token={TOKEN}").headers["location"] == "/.lightship/"


@pytest.mark.parametrize("state", ["waiting", "starting", "ended", "ready"])
def test_a_name_without_a_route_is_like_one_that_never_was(testbed: Testbed, state: str) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.change(made, state=state, target="https://127.0.0.1:1", lease_until=testbed.clock() - 1)
    nobody = {"name": "no-such-name"}
    for method in ("GET", "POST"):
        answers = [
            ask(testbed, each, "/lab?token=x", token=WRONG, method=method, content=f"token={WRONG}".encode())
            for each in (made, nobody)
        ]
        assert answers[0].status_code == 404
        assert (answers[0].content, answers[0].headers) == (answers[1].content, answers[1].headers)


def test_at_the_pages_own_path_it_says_that_something_runs_and_leads_back_there(
    testbed: Testbed, made: dict[str, Any]
) -> None:
    host = {"Host": f"{made['name']}.{DOMAIN}:8443"}
    answer = testbed.send("GET", "/status", headers=host)
    assert answer.status_code == 403
    assert "A notebook or another program runs here" in answer.text
    assert "There is no notebook" not in answer.text
    assert 'name="next" value="/.lightship/"' in answer.text
    assert post(testbed, made, f"next=%2F.lightship%2F&token={TOKEN}").headers["location"] == "/.lightship/"
    assert "not the token" in post(testbed, made, f"next=%2F.lightship%2F&token={WRONG}").text


def test_a_link_whose_token_is_unknown_here_passes_the_typed_one_on(testbed: Testbed) -> None:
    made = ready(testbed, testbed.create())
    assert ask(testbed, made, "/lab").status_code == 403
    answer = post(testbed, made, f"next=%2Flab&token={WRONG}")
    assert (answer.headers["location"], "set-cookie" in answer.headers) == (f"/lab?token={WRONG}", False)
    assert post(testbed, made, f"token={WRONG}", Origin="null").status_code == 403


def test_a_link_of_satellites_has_no_such_page(testbed: Testbed, made: dict[str, Any]) -> None:
    testbed.change(made, api="satellite")
    nobody = ask(testbed, {"name": "no-such-name"}, token="")
    assert ask(testbed, made, token="").content == nobody.content


def test_the_root_of_the_domain_names_the_centre_and_how_to_start(testbed: Testbed) -> None:
    answer = testbed.send("GET", "/", headers={"Host": f"{DOMAIN}:8443"})
    assert answer.status_code == 200
    assert "start-jupyter" in answer.text
    assert "used once" not in answer.text
    assert testbed.send("HEAD", "/", headers={"Host": DOMAIN}).status_code == 200


def test_only_requests_are_read_for_where_they_come_from() -> None:
    fetch = Request({"type": "http", "headers": [(b"sec-fetch-site", b"none"), (b"sec-fetch-mode", b"no-cors")]})
    assert not entrance.is_own_navigation(fetch, "https://a-b-c.notebooks.test")
