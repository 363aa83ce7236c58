"""The doctor's checks of the web server and of the public certificate, as root."""

from __future__ import annotations

import json
import shlex
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from lightship_registry.admin.checks import SECONDS, Finding, note, ok, unit, warning, wrong
from lightship_registry.admin.web_server import Deployed, deployed, refusal
from lightship_registry.core.clock import wall
from lightship_registry.core.settings import Settings
from lightship_registry.pki.certificates import DAY, serial_of

PROVE = "/usr/local/lib/lightship/certificates-deployed"
RENEWAL = "lightship-certificates"
# The role's programs write it, and remove it when they start.
FAILURE = Path("/run/lightship-certificates/failure.json")
RENEW = f"systemctl start {RENEWAL}.service; journalctl -u {RENEWAL}.service"
GIVEN = "Request a new one, put it into certificates_given_chain and certificates_given_key, and run site.yml."
# certbot renews at a third of the certificate's life: at a quarter it has failed for days, at a tenth it is urgent.
LATE, LAST = 1 / 4, 1 / 10
# The timer runs twice a day.
RENEWAL_SECONDS = 2 * DAY
CLOCK_SECONDS = 60


def web_server(settings: Settings) -> Iterator[Finding]:
    """Check that the web server runs, and accepts its configuration."""
    known = deployed(settings)
    state = unit(known.service)
    if state.get("LoadState") == "not-found" and known.certificate is None:
        yield note(f"there is no {known.service} on this host")
        return
    remedy = f"journalctl -u {known.service}; systemctl restart {known.service}"
    said = f"{known.service} is {state.get('ActiveState') or 'unknown'}"
    yield ok(said) if state.get("ActiveState") == "active" else wrong(said, remedy)
    if not known.test:
        return
    if not (said := refusal(known)):
        yield ok(f"{known.service} accepts its configuration")
        return
    # The running server keeps the previous configuration until it is restarted.
    yield wrong(f"{known.service} would not start again: {said}", f"{shlex.join(known.test)}; run site.yml.")


def public_certificate(settings: Settings) -> Iterator[Finding]:
    """Check that the web server presents the certificate on the disk, its names and its lifetime."""
    known = deployed(settings)
    if known.certificate is None and unit(known.service).get("LoadState") == "not-found":
        return
    where = f"{known.address}:{known.port}"
    try:
        shown = x509.load_der_x509_certificate(served(known, settings.registry_host))
    except (OSError, ValueError) as error:
        yield wrong(f"nobody shows a certificate at {where}: {error}", f"systemctl status {known.service}")
        return
    yield _names(shown, settings.domain)
    yield _lifetime(shown, GIVEN if known.given else RENEW)
    yield _same(shown, known)


def served(known: Deployed, name: str) -> bytes:
    """The certificate that the web server presents, trusted or not."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((known.address, known.port), SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=name) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def _names(shown: x509.Certificate, domain: str) -> Finding:
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = set(names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        found = set()
    missing = sorted({domain, f"*.{domain}"} - found)
    if missing:
        return wrong(f"the public certificate is not for {' and '.join(missing)}", "Run site.yml --tags certificates.")
    return ok(f"the public certificate is for {domain} and *.{domain}")


def _lifetime(shown: x509.Certificate, remedy: str) -> Finding:
    now, begins, ends = wall(), shown.not_valid_before_utc.timestamp(), shown.not_valid_after_utc.timestamp()
    left, life = ends - now, ends - begins
    said = f"the public certificate lasts {left / DAY:.1f} days"
    if begins > now + CLOCK_SECONDS:
        finding = wrong("the public certificate is not valid yet", "Set this host's clock by NTP: date")
    elif left <= 0:
        finding = wrong(f"the public certificate ended {-left / DAY:.1f} days ago", remedy)
    elif left < LAST * life:
        finding = wrong(f"{said}, and was not replaced", remedy)
    elif left < LATE * life:
        finding = warning(f"{said}, and should have been replaced", remedy)
    else:
        finding = ok(said)
    return replace(finding, ends=ends)


def _same(shown: x509.Certificate, known: Deployed) -> Finding:
    if known.certificate is None:
        return note("the public certificate was not made by the role certificates: whoever did renews it")
    try:
        kept = x509.load_pem_x509_certificate(known.certificate.read_bytes())
    except (OSError, ValueError) as error:
        return wrong(f"{known.certificate} cannot be read: {error}", "Restore /etc/letsencrypt from a backup.")
    if kept == shown:
        return ok("the public certificate is the one on the disk")
    said = f"{known.service} shows the certificate {serial_of(shown)}, and on the disk is {serial_of(kept)}"
    return wrong(said, f"{PROVE} has it shown, or says why not.")


def told_failure(path: Path) -> tuple[str, str, str] | None:
    """The sentence, the remedy and the reason that a program of role certificates wrote; none if it could not."""
    try:
        told = json.loads(path.read_text("utf-8"))
        return str(told["sentence"]), str(told["remedy"]), str(told["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _failed(result: str) -> Finding:
    """Why the last run failed: its programs wrote it, unless systemd ended them."""
    said = "the last renewal of the public certificate failed: "
    told = told_failure(FAILURE)
    if told is None:
        return replace(warning(f"{said}{result}", RENEW), reason="timeout" if result == "timeout" else "unknown")
    sentence, remedy, reason = told
    return replace(warning(f"{said}{sentence}", remedy), reason=reason)


def renewal(settings: Settings) -> Iterator[Finding]:
    """Check that the timer runs, and that the last renewal succeeded."""
    timer = unit(f"{RENEWAL}.timer", "LastTriggerUSec")
    if timer.get("LoadState") == "not-found" and deployed(settings).certificate is None:
        yield note("no certificate is renewed on this host")
        return
    if timer.get("ActiveState") != "active":
        said = f"{RENEWAL}.timer is {timer.get('ActiveState') or 'unknown'}: nothing renews the public certificate"
        yield wrong(said, f"systemctl enable --now {RENEWAL}.timer")
        return
    result = unit(f"{RENEWAL}.service", "Result").get("Result", "")
    if result != "success":
        yield _failed(result or "unknown")
        return
    last = timer.get("LastTriggerUSec", "").removeprefix("@")
    if not last.isdigit():
        yield ok(f"{RENEWAL}.timer is active, and waits for its first time")
        return
    ago = wall() - int(last)
    said = f"the public certificate's renewal last ended well {ago / 3600:.0f} hours ago"
    yield ok(said) if ago < RENEWAL_SECONDS else warning(said, RENEW)
