"""A filter that says what is wrong with an authority for notebooks' certificates that an institution gave."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

# How the name of an authority begins that the host made itself; a test compares it with the service's.
OWN = "CN=Lightship links "
AGAIN = "Have the institution sign another one."


def _certificates() -> ModuleType:
    # A role's filters have no package, and this role is used without the other one too.
    file = Path(__file__).parents[2] / "certificates" / "filter_plugins" / "given_certificate.py"
    spec = importlib.util.spec_from_file_location("lightship_given_certificate", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is missing: copy all roles of the repository.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


given = _certificates()
NAMES = given.Names("link_registry_links_authority_chain", "link_registry_links_authority_key", "registry")


def given_authority_fault(chain: str, key: str, domain: str, hours: int, now: float | None = None) -> str:
    """Say what is wrong with an authority, those above it up to the root, and its key; empty if it can sign for links.

    Args:
        chain: certificates in PEM, the authority's own first.
        key: its private key in PEM.
        domain: the domain below which every link has its name.
        hours: how long a notebook may run, and so its certificate must be valid.
        now: seconds since 1970; the present time if it is not given.
    """
    certificates, fault = given.read_chain(chain, NAMES)
    moment = datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC)
    checks: tuple[Callable[[], str], ...] = (
        lambda: given.key_fault(certificates, key, NAMES),
        lambda: _kind_fault(certificates),
        lambda: given.chain_fault(certificates, NAMES) or _root_fault(certificates[-1]),
        lambda: _length_fault(certificates),
        lambda: given.dates_fault(certificates, moment, NAMES) or _soon_fault(certificates, moment, hours),
        lambda: given.strength_fault(certificates, NAMES),
        lambda: _names_fault(certificates, domain),
    )
    return fault or next((found for check in checks if (found := check())), "")


def is_another_authority(present: str, wanted: str) -> bool:
    """Tell whether the authority in place is not the wanted one; without a text, one that the host made itself."""
    found = x509.load_pem_x509_certificate(present.encode())
    if wanted:
        return found != x509.load_pem_x509_certificate(wanted.encode())
    return found.issuer != found.subject or not found.subject.rfc4514_string().startswith(OWN)


def _kind_fault(certificates: Sequence[x509.Certificate]) -> str:
    for each in certificates:
        basic, usage = _extension(each, x509.BasicConstraints), _extension(each, x509.KeyUsage)
        purposes = _extension(each, x509.ExtendedKeyUsage)
        if basic is None or not basic.ca:
            lacks = "is that of no authority: it lacks CA:TRUE"
        elif usage is not None and not usage.key_cert_sign:
            lacks = "may not sign certificates: its key usage lacks keyCertSign"
        elif purposes is not None and not {*purposes} & {
            ExtendedKeyUsageOID.SERVER_AUTH,
            ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        }:
            lacks = "may not sign for TLS servers, which notebooks are: its extended key usage lacks serverAuth"
        else:
            continue
        return f"{given.named(each)} in {NAMES.chain} {lacks}. {AGAIN}"
    return ""


def _root_fault(last: x509.Certificate) -> str:
    if last.issuer == last.subject:
        return ""
    return (
        f"{NAMES.chain} is not complete: it ends with {given.named(last)}, signed by {last.issuer.rfc4514_string()}. "
        "Append the certificates that are missing, up to the root, which signed itself."
    )


def _length_fault(certificates: Sequence[x509.Certificate]) -> str:
    below = 0
    for each in certificates:
        basic = _extension(each, x509.BasicConstraints)
        if basic is not None and basic.path_length is not None and basic.path_length < below:
            return (
                f"{given.named(each)} in {NAMES.chain} allows {basic.path_length} authorities below it (pathlen), and "
                f"there are {below}. {AGAIN}"
            )
        # One that only renews itself does not count (RFC 5280, 4.2.1.9).
        below += each.issuer != each.subject
    return ""


def _soon_fault(certificates: Sequence[x509.Certificate], moment: datetime, hours: int) -> str:
    for each in certificates:
        if each.not_valid_after_utc < moment + timedelta(hours=hours):
            return (
                f"{given.named(each)} in {NAMES.chain} ends on {each.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, and "
                f"notebooks that start now may run until after that (link_registry_max_hours is {hours}). Have the "
                "institution renew it."
            )
    return ""


def _names_fault(certificates: Sequence[x509.Certificate], domain: str) -> str:
    for each in certificates:
        limits = _extension(each, x509.NameConstraints)
        if limits is None:
            continue
        permitted = limits.permitted_subtrees or []
        allowed = [name.value for name in permitted if isinstance(name, x509.DNSName)]
        excluded = [name.value for name in limits.excluded_subtrees or [] if isinstance(name, x509.DNSName)]
        if allowed and not any(_within(domain, limit) for limit in allowed):
            said = f"permits names below {', '.join(allowed)} only"
        elif wrong := [limit for limit in excluded if _within(domain, limit)]:
            said = f"excludes names below {', '.join(wrong)}"
        elif any(isinstance(name, x509.DirectoryName) for name in permitted):
            said = "permits certain directory names only, and notebooks' certificates have none but the link's"
        else:
            continue
        return f"{given.named(each)} in {NAMES.chain} {said}; links have names below {domain}. {AGAIN}"
    return ""


def _within(domain: str, limit: str) -> bool:
    limit = limit.lower().lstrip(".")
    return not limit or domain == limit or domain.endswith(f".{limit}")


def _extension(certificate: x509.Certificate, kind: type[Any]) -> Any:  # noqa: ANN401  an object of that kind
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters."""
        return {
            "authority_file_fault": given.pem_file_fault,
            "given_authority_fault": given_authority_fault,
            "is_another_authority": is_another_authority,
        }
