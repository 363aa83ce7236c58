"""The doctor's checks of the certificates that workstations have of their own, as root."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from lightship_registry.admin.checks import Finding, ok, unit, warning
from lightship_registry.admin.web_checks import LATE, told_failure
from lightship_registry.core.clock import wall
from lightship_registry.pki.certificates import DAY

SERVICE = "lightship-workstation-certificates.service"
# The role's program writes a file for each workstation whose renewal failed, and removes it when it tries again.
FAILURES = Path("/run/lightship-workstation-certificates")
PUBLIC = Path("/usr/local/share/lightship/certificates.json")
AGAIN = f"systemctl start {SERVICE}; journalctl -u {SERVICE}"


def certificates() -> Iterator[Finding]:
    """Check the last renewals, and that no certificate is near its end; nothing at a site without any."""
    state = unit(SERVICE, "Result")
    if state.get("LoadState") != "loaded":
        return
    found = [*_failures(state.get("Result", "")), *_late()]
    yield from found or [ok("the workstations' certificates are renewed")]


def _failures(result: str) -> Iterator[Finding]:
    if result == "success":
        return
    found = [_failure(path) for path in sorted(FAILURES.glob("*.json"))]
    yield from found or [warning(f"the last renewal of the workstations' certificates failed: {result}", AGAIN)]


def _failure(path: Path) -> Finding:
    name = path.stem
    sentence, remedy, reason = told_failure(path) or ("its program could not say why", AGAIN, "unknown")
    finding = warning(f"the last renewal of the certificate of {name} failed: {sentence}", remedy)
    return replace(finding, reason=reason, workstation=name)


def _late() -> Iterator[Finding]:
    try:
        chains = json.loads(PUBLIC.read_text("utf-8"))
        known = {str(name): x509.load_pem_x509_certificate(str(chain).encode()) for name, chain in chains.items()}
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError) as error:
        yield warning(f"{PUBLIC} cannot be read: {error}", AGAIN)
        return
    for name, certificate in known.items():
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        if ends - wall() < LATE * (ends - begins):
            left = (ends - wall()) / DAY
            yield warning(f"the certificate of {name} lasts {left:.1f} days, and should have been replaced", AGAIN)
