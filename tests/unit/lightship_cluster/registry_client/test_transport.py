from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lightship_cluster.registry_client.transport import Transport, Unreachable, encode
from unit.lightship_cluster.fake_registry import FakeRegistry, self_signed


def test_json_goes_and_comes(registry: FakeRegistry) -> None:
    registry.replies["ping"] = (200, {"ok": True})
    answer = Transport(registry.url, registry.ca_file).send("POST", "/v1/ping", encode({"a": "ü"}), {"X-Y": "z"})

    assert answer.ok
    assert answer.body == {"ok": True}
    assert registry.asked[0].json == {"a": "ü"}
    assert registry.asked[0].headers["X-Y"] == "z"


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b""])
def test_an_answer_of_another_kind_has_no_code(registry: FakeRegistry, body: bytes) -> None:
    registry.replies["ping"] = (502, body)
    answer = Transport(registry.url, registry.ca_file).send("GET", "/v1/ping", b"", {})

    assert (answer.ok, answer.code, answer.body) == (False, "", {})
    assert "502" in answer.error


def test_an_untrusted_certificate_is_refused(registry: FakeRegistry, tmp_path: Path) -> None:
    other, _ = self_signed(tmp_path, "other")

    with pytest.raises(Unreachable, match="certificate is not trusted"):
        Transport(registry.url, other).send("GET", "/v1/ping", b"", {})

    assert not registry.asked


def test_a_redirect_is_not_followed(registry: FakeRegistry) -> None:
    registry.replies["ping"] = (302, {})

    assert Transport(registry.url, registry.ca_file).send("GET", "/v1/ping", b"", {}).status == 302
    assert len(registry.asked) == 1


def test_a_proxy_of_the_users_environment_is_not_used(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    registry.replies["ping"] = (200, {})

    assert Transport(registry.url, registry.ca_file).send("GET", "/v1/ping", b"", {}).ok


def test_no_listener_and_no_such_host_say_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        Transport(f"https://127.0.0.1:{port}").send("GET", "/", b"", {})
    with pytest.raises(Unreachable, match=r"no-such-host\.invalid"):
        Transport("https://no-such-host.invalid").send("GET", "/", b"", {})


def test_a_silent_peer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = Transport(f"https://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2)
        with pytest.raises(Unreachable, match="no answer in time"):
            silent.send("GET", "/", b"", {})


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2), ("0", 0), ("999999", 30), ("-1", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("٣", 0)],
)
def test_the_wait_that_is_asked_for_is_bounded(registry: FakeRegistry, header: str, seconds: float) -> None:
    registry.replies["ping"] = (429, {"code": "too-many-requests"})
    registry.headers["Retry-After"] = header.encode().decode("latin-1")
    answer = Transport(registry.url, registry.ca_file).send("GET", "/v1/ping", b"", {})

    assert answer.busy
    assert answer.retry_after == seconds


def test_where_a_request_came_from_is_said_when_it_was_chosen() -> None:
    bound = Transport("https://127.0.0.1:9")
    bound.dialer.source = "127.0.0.2"
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9 from 127\.0\.0\.2: Connection refused"):
        bound.send("GET", "/", b"", {})
