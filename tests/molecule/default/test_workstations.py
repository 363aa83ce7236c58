"""A workstation that answers only ssh, and ends TLS itself: its certificate, and the next one."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support import bed
from support.deploy import playbook

NAME = f"ws1.{bed.DOMAIN}"
FOLDER = "/var/lib/lightship-workstation/current"
PROGRAM = "/usr/local/lib/lightship/workstation-certificate"
KEPT = f"/etc/letsencrypt/lightship/workstations/{NAME}/certificate.json"
TOLD = "/home/alice/told-of-certificate"
PORT = 8888
SERVER = f"""
import http.server, ssl
server = http.server.HTTPServer(("localhost", {PORT}), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("{FOLDER}/fullchain.pem", "{FOLDER}/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
START = "systemd-run --quiet --collect --unit=notebook --uid=alice --working-directory=/home/alice python3 -c"


def serial() -> str:
    """The number of the certificate in place."""
    return bed.run("work", f"openssl x509 -noout -serial -in {FOLDER}/fullchain.pem").stdout.strip()


def key() -> str:
    """The public half of the key in place."""
    return bed.run("work", f"openssl pkey -pubout -in {FOLDER}/key.pem").stdout


@pytest.fixture
def tunnel() -> Iterator[int]:
    """A port of this machine that leads to the notebook's on the workstation."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port: int = free.getsockname()[1]
    forward = ["ssh", "-F", str(bed.STATE / "ssh_config"), "-N", "-L", f"127.0.0.1:{port}:localhost:{PORT}", "work"]
    with subprocess.Popen(forward) as running:
        yield port
        running.terminate()


def presented(port: int) -> str:
    """The serial number of what a client sees that trusts the authority."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        bed.trust().wrap_socket(plain, server_hostname=NAME) as secure,
    ):
        return f"serial={(secure.getpeercert() or {})['serialNumber']}"


def test_a_browser_elsewhere_trusts_the_workstations_own_server(tunnel: int) -> None:
    bed.run("work", f"{START} '{SERVER}'")
    try:
        bed.eventually(lambda: answers(tunnel), "the server does not answer")
        assert presented(tunnel) == serial()
    finally:
        bed.run("work", "systemctl stop notebook")


def answers(port: int) -> bool:
    """Whether somebody speaks TLS there."""
    try:
        presented(port)
    except (ConnectionError, ssl.SSLEOFError):
        return False
    return True


def test_the_key_is_its_owners_and_the_proxy_has_none_like_it() -> None:
    assert bed.run("work", f"stat -L -c '%U %a' {FOLDER}/key.pem").stdout == "alice 600\n"
    assert bed.run("work", f"runuser -u nobody -- cat {FOLDER}/key.pem", check=False).returncode
    line = bed.run("work", f"sed -n 2p {FOLDER}/key.pem").stdout.strip()
    assert bed.run("proxy", "grep -rqsF -f - /etc /var/lib /run", check=False, text=line).returncode == 1


def test_both_timers_services_renew_it() -> None:
    before, own = serial(), key()
    bed.run("work", f"rm {TOLD}")
    # As if another authority had issued it, so that another one is due.
    bed.run("proxy", f"sed -i 's#:14000/dir#:14000/other#' {KEPT}")
    bed.run("proxy", "systemctl start lightship-workstation-certificates")
    bed.run("work", "systemctl start lightship-workstation-certificate")
    assert serial() != before
    assert key() == own
    bed.run("work", f"test -e {TOLD}")
    # Another fetch finds nothing newer; it needs no systemd.
    assert "has the newest certificate" in bed.run("work", f"{PROGRAM} fetch", user="alice").stdout


def test_a_new_key_takes_one_run() -> None:
    before = key()
    said = playbook(Path("workstations.yml"), "-e", "workstation_certificate_new_key=true")
    assert "failed=0" in said
    assert key() != before
    findings = json.loads(bed.run("proxy", "lightship doctor --json", check=False).stdout)
    assert [each["level"] for each in findings if each["check"] == "workstations"] == ["ok"]


def test_somebody_who_broke_into_it_gets_no_other_name() -> None:
    current = bed.run("work", f"readlink -f {FOLDER}").stdout.strip()
    before = serial()
    forged = (
        f"cp {current}/request.pem kept.pem && openssl req -new -key {current}/key.pem -subj / "
        f"-addext subjectAltName=DNS:{NAME},DNS:*.{bed.DOMAIN} -out {current}/request.pem"
    )
    bed.run("work", forged, user="alice")
    try:
        with pytest.raises(AssertionError, match=rf"asks for '\*\.{bed.DOMAIN}', which the inventory does not allot"):
            playbook(Path("workstations.yml"))
    finally:
        bed.run("work", f"mv kept.pem {current}/request.pem", user="alice")
    bed.run("proxy", "systemctl start lightship-workstation-certificates")
    assert serial() == before
