"""Why a renewal failed, by the errors of certbot and of its libraries, and by the files that it left."""

from __future__ import annotations

import datetime as dt
import email.utils
import errno
import importlib
import json
import logging
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lightship_registry.pki.certificates import serial_of
from unit.ansible.plugins import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "roles" / "certificates" / "files"))
outcome: Any = importlib.import_module("certbot_outcome")
files: Any = importlib.import_module("certificate_files")
failures: Any = importlib.import_module("certificate_failure")
program: Any = importlib.import_module("certificates_renew")

DOMAIN = "notebooks.example.org"
KINDS = ("cert", "privkey", "chain", "fullchain")


def error(name: str, *arguments: object, cause: BaseException | None = None, **attributes: object) -> Exception:
    """An error of a package that is in certbot's venv alone, e.g. certbot.errors.PluginError."""
    module, _, title = name.rpartition(".")
    made: Exception = type(title, (Exception,), {"__module__": module, **attributes})(*arguments)
    made.__context__ = cause
    return made


def acme(word: str, detail: str = "Because.") -> Exception:
    """A problem document of the authority."""
    return error("acme.messages.Error", typ=f"urn:ietf:params:acme:error:{word}", detail=detail)


def untrusted(code: int) -> Exception:
    """What requests raises for a certificate of the server, with urllib3's between."""
    inner = ssl.SSLCertVerificationError("no")
    inner.verify_code, inner.verify_message = code, "self-signed certificate"
    between = error("urllib3.exceptions.MaxRetryError", "retries", reason=error("urllib3.exceptions.SSLError", inner))
    return error("requests.exceptions.SSLError", between)


def answered(status: int) -> Exception:
    """An answer without a problem document, e.g. of a gateway."""
    return error("acme.errors.ClientError", type("Response", (), {"status_code": status})())


def plugin(text: str, cause: BaseException | None = None) -> Exception:
    """What a plugin for a name server raises."""
    return error("certbot.errors.PluginError", text, cause=cause)


def dnspython(name: str) -> BaseException:
    """A real error of that library, which has no types for it."""
    module, _, title = name.rpartition(".")
    made: BaseException = getattr(importlib.import_module(f"dns.{module}"), title)()
    return made


@pytest.mark.parametrize(
    ("raised", "reason", "said"),
    [
        (acme("rateLimited", "too many certificates"), "rate-limited", "asked too often (429): too many certificates."),
        (answered(429), "rate-limited", "asked too often (429)."),
        (acme("badNonce"), "bad-nonce", "refused the nonce"),
        (acme("accountDoesNotExist"), "account-refused", "refuses the account"),
        (acme("rejectedIdentifier"), "domain-refused", f"may not issue for {DOMAIN}"),
        (acme("serverInternal"), "authority-failed", "has a fault: Because."),
        (answered(503), "authority-failed", "status 503"),
        (error("acme.errors.TimeoutError"), "authority-failed", "in time"),
        (acme("badCSR"), "authority-refused", "(badCSR): Because."),
        (
            error("requests.exceptions.ConnectionError", "refused"),
            "authority-unreachable",
            "cannot be reached: refused",
        ),
        (untrusted(18), "authority-untrusted", "does not trust"),
        (untrusted(9), "clock", "not valid yet"),
        (untrusted(10), "clock", "no longer valid"),
        (plugin("no", dnspython("tsig.PeerBadTime")), "clock", "the name server's by more than five minutes"),
        (plugin("no", dnspython("tsig.PeerBadKey")), "update-key-refused", "refuses the update key"),
        (plugin("no", dnspython("tsig.PeerBadSignature")), "update-key-refused", "refuses the update key"),
        (plugin("Received response from server: REFUSED"), "update-key-refused", "REFUSED"),
        (plugin("Received response from server: SERVFAIL"), "name-server-failed", "SERVFAIL"),
        (plugin("Unable to determine base domain."), "name-server-failed", "base domain"),
        (plugin("no", ConnectionRefusedError()), "name-server-unreachable", "does not answer"),
        (plugin("no", dnspython("exception.Timeout")), "name-server-unreachable", "does not answer"),
        (OSError(errno.ENOSPC, "full", "/etc/x"), "disk-full", "no room on the disk for /etc/x"),
        (error("certbot.errors.Error", "log", cause=OSError(errno.EDQUOT, "")), "disk-full", "no room"),
        (error("certbot.errors.Error", "a new kind"), "unknown", "certbot failed: a new kind"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_error_has_a_word_and_a_sentence_with_the_remedy(raised: Exception, reason: str, said: str) -> None:
    found = outcome.explain(outcome.Outcome(1, [raised], [f"{raised}"]), DOMAIN)
    assert found.reason == reason
    assert said in found.sentence
    assert "\n" not in found.sentence
    assert found.remedy.endswith(".") or DOMAIN in found.remedy


@pytest.mark.parametrize(
    ("cause", "reason", "said"),
    [
        (None, "provider-refused", "did not take the challenge for"),
        (error("requests.exceptions.HTTPError", "401 Unauthorized"), "provider-refused", "did not take"),
        (error("botocore.exceptions.ClientError", "AccessDenied"), "provider-refused", "did not take"),
        (error("requests.exceptions.ConnectTimeout", "timed out"), "provider-unreachable", "cannot be reached"),
        (error("botocore.exceptions.EndpointConnectionError", "no"), "provider-unreachable", "cannot be reached"),
        (error("httplib2.error.ServerNotFoundError", "no"), "provider-unreachable", "cannot be reached"),
        (TimeoutError(), "provider-unreachable", "cannot be reached"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_providers_api_is_told_from_a_name_server(cause: BaseException | None, reason: str, said: str) -> None:
    told = outcome.Outcome(1, [plugin("Error adding TXT record", cause)], writer="dns-desec")
    found = outcome.explain(told, DOMAIN)
    assert found.reason == reason
    assert said in found.sentence
    assert "update" not in found.remedy


def date(offset: float) -> str:
    """The head of an answer by a clock that is so much ahead."""
    return f"Content-Type: application/json\nDate: {email.utils.formatdate(time.time() + offset, usegmt=True)}"


def test_an_answer_tells_when_to_come_again() -> None:
    told = outcome.Outcome(1, [acme("rateLimited")])
    told.answer(429, f"{date(0)}\nRetry-After: 7200", "{}")
    assert "after: 7200 seconds." in outcome.explain(told, DOMAIN).sentence


@pytest.mark.parametrize(("word", "reason"), [("dns", "validation-failed"), ("caa", "domain-refused")])
def test_an_answer_tells_why_a_domain_was_not_validated(word: str, reason: str) -> None:
    told = outcome.Outcome(1, [error("certbot.errors.AuthorizationError", "Some challenges have failed.")])
    problem = {"type": f"urn:ietf:params:acme:error:{word}", "detail": "NXDOMAIN looking up TXT."}
    told.answer(200, date(0), json.dumps({"status": "invalid", "challenges": [{"error": problem}, {}]}))
    found = outcome.explain(told, DOMAIN)
    assert found.reason == reason
    assert "NXDOMAIN looking up TXT" in found.sentence


def test_a_script_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def report_executed_command() -> object:
        # As certbot does it, in a function of this name.
        logging.getLogger("certbot.display.ops").warning("%s reported error code %d", "Hook", 3)
        raise error("certbot.errors.AuthorizationError", "Some challenges have failed.")

    certbot_does(monkeypatch, report_executed_command)
    found = program.run_certbot([], "manual")
    problem = {"type": "urn:ietf:params:acme:error:dns", "detail": "NXDOMAIN."}
    found.answer(200, date(0), json.dumps({"status": "invalid", "challenges": [{"error": problem}]}))
    failure = outcome.explain(found, DOMAIN)
    assert failure.reason == "hook-failed"
    assert "ended with status 3" in failure.sentence


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_a_day_off_is_told_by_the_authority(status: int, days: int) -> None:
    told = outcome.Outcome(status)
    told.answer(200, date(days * 86400), "no JSON")
    found = outcome.explain(told, DOMAIN)
    assert found.reason == "clock"
    assert "by 24 hours" in found.sentence


def test_all_is_well_with_strange_answers() -> None:
    told = outcome.Outcome()
    for answer in ((), (200,), (200, "no colon", "[]"), (429, "Date: yesterday", '{"status": "invalid"}')):
        told.answer(*answer)
    assert outcome.explain(told, DOMAIN) is None


def certbot_does(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Put a stand-in in the place of certbot, which is in a venv of its own."""
    monkeypatch.setitem(sys.modules, "certbot.main", SimpleNamespace(main=lambda _: act()))


def test_certbots_log_has_the_errors_and_the_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> object:
        answer = "Received response:\nHTTP %d\n%s\n\n%s"
        logging.getLogger("acme.client").debug(answer, 429, "Retry-After: 7", "{}")
        logging.getLogger("certbot").error("Failed to renew %s: %s", DOMAIN, acme("rateLimited"))
        raise error("certbot.errors.Error", "1 renew failure(s)")

    certbot_does(monkeypatch, fail)
    monkeypatch.setattr(logging.getLogger(), "level", logging.DEBUG)
    found = program.run_certbot([], outcome.RFC2136)
    assert (found.status, found.retry_after, len(found.errors)) == (1, "7", 2)
    assert outcome.explain(found, DOMAIN).reason == "rate-limited"


def leave(status: object) -> None:
    """End as a program does."""
    raise SystemExit(status)


@pytest.mark.parametrize(
    ("act", "status"),
    [(lambda: None, 0), (lambda: "words", "words"), (lambda: leave(2), 2), (lambda: leave(None), 0)],
)
def test_certbots_status_is_kept(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object], status: object) -> None:
    certbot_does(monkeypatch, act)
    assert program.run_certbot([], outcome.RFC2136).status == status


def test_without_room_the_authority_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    program.see_room(str(tmp_path))
    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match=str(tmp_path)):
        program.see_room(str(tmp_path))


def test_settings_that_are_missing_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--settings", str(tmp_path / "none")]) == 1
    assert "Deploy the role certificates again" in capsys.readouterr().err


def test_the_reason_is_kept_for_the_service_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    assert failures.report("x", OSError(errno.ENOSPC, "full")) == 1
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    failures.report("x", OSError(errno.ENOSPC, "full"))
    assert json.loads((tmp_path / "failure.json").read_text())["reason"] == "disk-full"
    failures.forget()
    assert not list(tmp_path.iterdir())
    # Without a place for the reason, the program still says it and fails.
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "none"))
    assert failures.report("x", ValueError("odd")) == 1


@dataclass(frozen=True)
class Signer:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()


def sign(title: str, signer: Signer | None = None, serial: int = 0x80AB) -> Signer:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, title)])
    made = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key()).serial_number(serial)
    made = made.issuer_name(signer.certificate.subject if signer else subject)
    made = made.not_valid_before(now).not_valid_after(now + dt.timedelta(days=9))
    return Signer(made.sign(signer.key if signer else key, hashes.SHA256()), key)


ROOT = sign("root")
MIDDLE = sign("middle", ROOT)
LEAF = sign(DOMAIN, MIDDLE)


def write(lineage: Path, number: int) -> dict[str, Path]:
    """Write a version as certbot does."""
    found: dict[str, Path] = files.of_version(lineage, number)
    found["cert"].parent.mkdir(parents=True, exist_ok=True)
    key = LEAF.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    contents = {"cert": LEAF.pem, "privkey": key, "chain": MIDDLE.pem, "fullchain": LEAF.pem + MIDDLE.pem}
    for kind, file in found.items():
        file.write_text(contents[kind])
    return found


@pytest.fixture
def lineage(tmp_path: Path) -> Path:
    """A certificate with two versions, of which the second is in place."""
    path = tmp_path / "live" / DOMAIN
    path.mkdir(parents=True)
    write(path, 1)
    write(path, 2)
    files.point_to(path, 2)
    return path


def pem(*parts: Signer) -> str:
    return "".join(part.pem for part in parts)


@pytest.mark.parametrize(
    ("kind", "text", "reason", "clause"),
    [
        ("privkey", lambda: sign("x").key, "key-mismatch", "privkey2.pem is not the key of"),
        ("privkey", lambda: "", "files-damaged", "is damaged"),
        ("fullchain", lambda: LEAF.pem[:300], "files-damaged", "is damaged"),
        ("fullchain", lambda: LEAF.pem, "chain-broken", "lacks the certificates of the authority"),
        ("fullchain", lambda: pem(LEAF, ROOT, MIDDLE), "chain-broken", "wrong order"),
        ("fullchain", lambda: pem(LEAF, ROOT), "chain-broken", "wrong order, or one is missing"),
        ("fullchain", lambda: pem(LEAF, MIDDLE, ROOT), "chain-broken", "does not consist of"),
        ("fullchain", lambda: pem(MIDDLE, LEAF), "chain-broken", "are in the wrong order"),
        ("chain", None, "files-damaged", "chain2.pem is missing"),
    ],
)
def test_files_that_do_not_belong_together(
    lineage: Path, kind: str, text: Callable[[], Any] | None, reason: str, clause: str
) -> None:
    version = files.of_version(lineage, 2)
    assert files.fault(version, needs_chain=True) is None
    if text is None:
        version[kind].unlink()
    else:
        made = text()
        if not isinstance(made, str):
            made = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        version[kind].write_text(made)
    found = files.fault(version, needs_chain=True)
    assert found[0] == reason
    assert clause in found[1]


@pytest.mark.parametrize("serial", [1, 0x7F, 0x80AB, 0xABC, 0x1200])
def test_serial_numbers_are_those_of_openssl(serial: int, tmp_path: Path) -> None:
    made = sign("one", serial=serial)
    file = tmp_path / "one.pem"
    file.write_text(made.pem)
    command = ["openssl", "x509", "-noout", "-serial", "-in", str(file)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert printed == f"serial={files.serial(files.leaf(file))}" == f"serial={serial_of(made.certificate)}"


def test_a_file_that_is_missing_has_no_certificate(tmp_path: Path) -> None:
    assert files.leaf(tmp_path / "none.pem") == b""


@pytest.mark.parametrize("left", [("cert", "privkey"), KINDS])
def test_a_newer_version_that_is_not_whole_is_removed(lineage: Path, left: tuple[str, ...]) -> None:
    for kind, file in write(lineage, 3).items():
        if kind not in left:
            file.unlink()
        elif kind == left[-1]:
            file.write_text("")
    files.mend(lineage)
    assert files.numbers(lineage) == [1, 2]
    # One that is whole is certbot's to put in place.
    write(lineage, 3)
    files.mend(lineage)
    assert files.numbers(lineage) == [1, 2, 3]
    assert files.version(lineage / "cert.pem") == 2


def test_a_missing_link_comes_again(lineage: Path) -> None:
    (lineage / "chain.pem").unlink()
    files.mend(lineage)
    assert {files.version(link) for link in files.in_place(lineage).values()} == {2}


def test_a_file_in_place_of_a_link_is_a_failure(lineage: Path) -> None:
    (lineage / "cert.pem").unlink()
    (lineage / "cert.pem").write_text(LEAF.pem)
    with pytest.raises(failures.FailureError, match="no link into the folder"):
        files.version(lineage / "cert.pem")
