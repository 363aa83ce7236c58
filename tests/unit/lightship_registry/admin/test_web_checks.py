"""What the doctor says of the public certificate, the web server and the renewal; certificates are really served."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lightship_registry.admin import web_checks, web_server
from lightship_registry.admin.checks import NOTE, OK, WARNING, WRONG, Finding
from lightship_registry.core.settings import Settings
from unit.lightship_registry.admin.conftest import NAMES, write_certificate
from unit.lightship_registry.testbed import DOMAIN, make_settings

DAY = 86400


@pytest.fixture
def serve() -> Iterator[Callable[[Path], int]]:
    """Show a certificate on a port of 127.0.0.1."""
    listeners: list[tuple[socket.socket, threading.Thread]] = []

    def start(certificate: Path) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listener = socket.create_server(("127.0.0.1", 0))

        def accept() -> None:
            while True:
                peer = listener.accept()[0]
                with peer:
                    if peer.recv(1, socket.MSG_PEEK) == b"":
                        return
                    try:
                        context.wrap_socket(peer, server_side=True).close()
                    except OSError:
                        continue

        thread = threading.Thread(target=accept)
        thread.start()
        listeners.append((listener, thread))
        return int(listener.getsockname()[1])

    yield start
    for listener, thread in listeners:
        socket.create_connection(listener.getsockname()).close()
        thread.join()
        listener.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Settings]:
    """A host as the role certificates leaves it, whose web server is at the port."""
    (tmp_path / "lineage").mkdir()

    def deploy(port: int) -> Settings:
        path = tmp_path / "deployed.ini"
        path.write_text(
            f"[deployed]\nlineage = {tmp_path}/lineage\nservice = nginx\ntest = true\n"
            f"address = 127.0.0.1\nport = {port}\n"
        )
        monkeypatch.setattr(web_server, "DEPLOYED", path)
        return make_settings(tmp_path)

    return deploy


def seen(findings: Iterator[Finding]) -> dict[str, str]:
    """Of each level what was said, remedies included."""
    said: dict[str, str] = {}
    for finding in findings:
        said[finding.level] = said.get(finding.level, "") + f"{finding.what} | {finding.remedy}\n"
    return said


def test_the_certificate_of_the_disk_is_the_one_that_is_shown(
    serve: Callable[[Path], int], site: Callable[[int], Settings], tmp_path: Path
) -> None:
    settings = site(serve(write_certificate(tmp_path / "lineage" / "fullchain.pem")))
    found = list(web_checks.public_certificate(settings))
    assert {finding.level for finding in found} == {OK}
    (ends,) = {finding.ends for finding in found if finding.ends}
    assert 79 < (ends - time.time()) / DAY <= 80
    # After a renewal that nobody was told of, the web server goes on with the one before.
    write_certificate(tmp_path / "lineage" / "fullchain.pem")
    said = seen(web_checks.public_certificate(settings))
    assert "nginx.service shows the certificate" in said[WRONG]
    assert "certificates-deployed" in said[WRONG]
    (tmp_path / "lineage" / "fullchain.pem").write_text("-----BEGIN CERTIFICATE-----\nnonsense\n")
    assert "fullchain.pem cannot be read" in seen(web_checks.public_certificate(settings))[WRONG]


@pytest.mark.parametrize(
    ("age", "left", "level", "said"),
    [
        (61, 29, OK, "lasts 29.0 days"),
        (70, 20, WARNING, "should have been replaced"),
        (82, 8, WRONG, "was not replaced"),
        (93, -3, WRONG, "ended 3.0 days ago"),
        (-1, 90, WRONG, "is not valid yet"),
        # A certificate of six days is judged by its own life.
        (3.7, 2.3, OK, "lasts 2.3 days"),
        (5, 1, WARNING, "should have been replaced"),
    ],
)
def test_the_days_that_are_left_are_judged_by_the_whole_life(
    serve: Callable[[Path], int],
    site: Callable[[int], Settings],
    tmp_path: Path,
    age: float,
    left: float,
    level: str,
    said: str,
) -> None:
    certificate = write_certificate(tmp_path / "lineage" / "fullchain.pem", age=age, left=left)
    found = seen(web_checks.public_certificate(site(serve(certificate))))
    assert said in found[level]
    assert set(found) == {OK, level}


@pytest.mark.parametrize("names", [(DOMAIN,), (f"*.{DOMAIN}",), ("other.example.org",)])
def test_a_certificate_for_other_names_is_wrong(
    serve: Callable[[Path], int], site: Callable[[int], Settings], tmp_path: Path, names: tuple[str, ...]
) -> None:
    certificate = write_certificate(tmp_path / "lineage" / "fullchain.pem", names)
    said = seen(web_checks.public_certificate(site(serve(certificate))))[WRONG]
    for missing in set(NAMES) - set(names):
        assert missing in said


def test_a_port_where_nobody_shows_a_certificate_is_wrong(site: Callable[[int], Settings]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = int(nobody.getsockname()[1])
    (finding,) = web_checks.public_certificate(site(port))
    assert (finding.level, finding.ends) == (WRONG, 0.0)
    assert f"nobody shows a certificate at 127.0.0.1:{port}" in finding.what


def test_a_certificate_of_somebody_elses_making_is_looked_at_as_it_is_shown(
    serve: Callable[[Path], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_server, "DEPLOYED", tmp_path / "none")
    monkeypatch.setattr(web_checks, "unit", lambda *_: {"LoadState": "loaded", "ActiveState": "active"})
    settings = make_settings(tmp_path, https_port=serve(write_certificate(tmp_path / "given.pem")))
    assert set(seen(web_checks.public_certificate(settings))) == {OK, NOTE}


def with_units(monkeypatch: pytest.MonkeyPatch, **units: dict[str, str]) -> None:
    def unit(name: str, *_: str) -> dict[str, str]:
        return units.get(name.rpartition(".")[2] if "." in name else name, {"LoadState": "loaded"})

    monkeypatch.setattr(web_checks, "unit", unit)


@pytest.mark.parametrize(
    ("state", "test", "level", "said"),
    [
        ("active", "true", OK, "accepts its configuration"),
        ("failed", "true", WRONG, "nginx.service is failed"),
        ("active", "false", WRONG, "would not start again"),
        ("active", "/nonexistent/nginx -t", WRONG, "it cannot be run"),
        (
            "active",
            "sh -c 'echo noise; echo \"nginx: [emerg] no such file /etc/x.pem\" >&2; exit 1'",
            WRONG,
            "would not start again: nginx: [emerg] no such file /etc/x.pem",
        ),
    ],
)
def test_the_web_server_runs_and_would_start_again(
    site: Callable[[int], Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    state: str,
    test: str,
    level: str,
    said: str,
) -> None:
    settings = site(1)
    text = (tmp_path / "deployed.ini").read_text().replace("test = true", f"test = {test}")
    (tmp_path / "deployed.ini").write_text(text)
    with_units(monkeypatch, service={"LoadState": "loaded", "ActiveState": state})
    assert said in seen(web_checks.web_server(settings))[level]


@pytest.mark.parametrize(
    ("timer", "result", "level", "said"),
    [
        ({"ActiveState": "active", "LastTriggerUSec": "@{hour}"}, "success", OK, "last ended well 1 hours ago"),
        ({"ActiveState": "active", "LastTriggerUSec": ""}, "success", OK, "waits for its first time"),
        ({"ActiveState": "active", "LastTriggerUSec": "@{month}"}, "success", WARNING, "720 hours ago"),
        ({"ActiveState": "active", "LastTriggerUSec": "@{hour}"}, "exit-code", WARNING, "failed: exit-code"),
        ({"ActiveState": "inactive", "LastTriggerUSec": "@{hour}"}, "success", WRONG, "nothing renews"),
        ({"LoadState": "not-found"}, "success", WRONG, "nothing renews"),
    ],
)
def test_the_last_renewal_is_known(
    site: Callable[[int], Settings],
    monkeypatch: pytest.MonkeyPatch,
    timer: dict[str, str],
    result: str,
    level: str,
    said: str,
) -> None:
    now = time.time()
    times = {"hour": f"{now - 3600:.0f}", "month": f"{now - 30 * DAY:.0f}"}
    filled = {key: value.format_map(times) for key, value in timer.items()}
    with_units(monkeypatch, timer=filled, service={"Result": result})
    found = seen(web_checks.renewal(site(1)))
    assert said in found[level]
    assert set(found) == {level}


@pytest.mark.parametrize(
    ("kept", "result", "said", "reason"),
    [
        (
            '{"reason": "clock", "sentence": "The clock is off.", "remedy": "Set it."}',
            "exit-code",
            "clock is off",
            "clock",
        ),
        # systemd ended the program before it could write.
        (None, "timeout", "failed: timeout", "timeout"),
        ("damaged", "oom-kill", "failed: oom-kill", "unknown"),
    ],
)
def test_a_failed_renewal_says_why(
    site: Callable[[int], Settings],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kept: str | None,
    result: str,
    said: str,
    reason: str,
) -> None:
    path = tmp_path / "failure.json"
    monkeypatch.setattr(web_checks, "FAILURE", path)
    if kept is not None:
        path.write_text(kept)
    with_units(monkeypatch, timer={"ActiveState": "active", "LastTriggerUSec": ""}, service={"Result": result})
    (finding,) = web_checks.renewal(site(1))
    assert (finding.level, finding.reason) == (WARNING, reason)
    assert said in finding.what
    assert finding.remedy
