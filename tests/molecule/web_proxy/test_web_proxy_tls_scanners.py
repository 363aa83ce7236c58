"""TLS: two scanners find nothing but what the bed's own certificate explains, and sessions are resumed."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.bed import AUTHORITY, REPOSITORY
from support.fake_notebook import Start
from support.proxy_host import DOMAIN, PROXY, TESTINFRA_HOSTS

testinfra_hosts = TESTINFRA_HOSTS

NAME = "quiet-river-stone"
LINK = f"{NAME}.{DOMAIN}"
# As make setup installs it.
SSLYZE = REPOSITORY / ".venv/sslyze/bin/sslyze"

# Of Mozilla's checks by sslyze: the bed's authority is nobody's, and its certificates live as long as Pebble likes.
NOT_OURS = {"certificate_path_validation", "maximum_certificate_lifespan"}

# What testssl may say, and why.
ALLOWED = {
    "cipher_order": "Mozilla's intermediate guideline leaves the order to the client",
    "cert_chain_of_trust": "the bed's own authority",
    "cert_trust": "the bed's own authority",
    "cert_revocation": "Pebble names neither a list nor a responder; Let's Encrypt names a list",
    "cert_expirationStatus": "the bed's certificates live as long as Pebble likes",
    "cert_notAfter": "the bed's certificates live as long as Pebble likes",
    "cert_extlifeSpan": "the bed's certificates live as long as Pebble likes",
    "cert_validityPeriod": "the bed's certificates live as long as Pebble likes",
    "certificate_transparency": "the bed's own authority",
    "DNS_CAArecord": "the bed has no such record; a site's zone may",
    "engine_problem": "the scanner's own OpenSSL has no GOST",
    # It ends its connection with the handshake, and TLS 1.3's ticket may come later; the last test here resumes one.
    "sessionresumption_ticket": "it reads no ticket that comes after the handshake",
    "secure_renego": "the scanner's own OpenSSL refuses what the test begins with; sslyze has the same test",
    "security_headers": "the notebook's own; the web server adds what its place demands",
}
# In parallel: what it says of protocols, ciphers, itself and its headers; known flaws.
SECTIONS = (["-p", "-s", "-f", "-P", "-S", "-h"], ["-U"])
# Long, because other tests run meanwhile, and a check whose connection takes longer says that it failed.
TIMES = ("--connect-timeout=60", "--openssl-timeout=60")
HARMLESS = {"OK", "INFO", "DEBUG"}


@pytest.fixture
def link(start: Start) -> str:
    start(NAME)
    return LINK


def test_sslyze_calls_it_intermediate_by_mozillas_guideline(link: str, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    target = f"{link}:443{{{PROXY}}}"
    done = subprocess.run(
        [SSLYZE, "--mozilla_config=intermediate", f"--json_out={result}", target],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = json.loads(result.read_text())["server_scan_results"]
    assert [scan["scan_status"] for scan in found] == ["COMPLETED"], done.stdout
    _, told, verdict = done.stdout.partition('"intermediate" configuration')
    assert told, done.stdout + done.stderr
    complaints = [line.strip(" *") for line in verdict.splitlines() if line.strip().startswith("* ")]
    assert complaints, "the private authority was not noticed, so the output has another form than this test reads"
    assert not [line for line in complaints if line.partition(":")[0] not in NOT_OURS], done.stdout


@pytest.mark.once
def test_testssl_finds_nothing_that_is_not_explained(link: str, tmp_path: Path) -> None:
    def scan(sections: list[str]) -> list[dict[str, Any]]:
        result = tmp_path / f"{sections[0]}.json"
        target = [f"--ip={PROXY}", f"--add-ca={AUTHORITY}", "--nodns=none", f"{link}:443"]
        quiet = ["--quiet", "--color=0", "--warnings=off", *TIMES]
        command = ["testssl", *quiet, f"--jsonfile={result}", *sections, *target]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert result.exists(), done.stdout + done.stderr
        found: list[dict[str, Any]] = json.loads(result.read_text())
        return found

    with ThreadPoolExecutor(len(SECTIONS)) as pool:
        findings = [finding for each in pool.map(scan, SECTIONS) for finding in each]
    # Each section has said something.
    assert {"TLS1_3", "cert_trust", "HSTS_time", "heartbleed", "LUCKY13"} <= {finding["id"] for finding in findings}
    bad = [finding for finding in findings if finding["severity"] not in HARMLESS]
    told = [f"{finding['severity']} {finding['id']}: {finding['finding']}" for finding in bad]
    unexplained = [line for line, finding in zip(told, bad, strict=True) if finding["id"].split()[0] not in ALLOWED]
    assert not unexplained, "\n".join(unexplained)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_browser_that_comes_back_resumes_its_session(link: str, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(AUTHORITY))
    context.minimum_version = context.maximum_version = version

    def visit(session: ssl.SSLSession | None = None) -> tuple[ssl.SSLSession | None, bool | None]:
        connection = socket.create_connection((PROXY, 443), 30)
        with connection, context.wrap_socket(connection, server_hostname=link, session=session) as secure:
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {link}\r\nConnection: close\r\n\r\n".encode())
            # The ticket comes before the answer.
            while secure.recv(65536):
                pass
            return secure.session, secure.session_reused

    session, reused = visit()
    assert not reused
    assert visit(session)[1]
