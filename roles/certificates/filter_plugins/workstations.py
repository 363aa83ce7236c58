"""Filters that say why a workstation gets no certificate of its own: its names, and its request.

ansible-core itself needs the package cryptography, so it is on every control machine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Workstations: TypeAlias = Sequence[Mapping[str, Any]]

NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
# The name of any link, now or later.
LINK = re.compile(r"[a-z]+-[a-z]+-[a-z]+")
# The service's own, beside those that the inventory gives to others.
OWN = frozenset({"registry", "manage", "ns"})
CURVES = ("secp256r1", "secp384r1")
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 4096
HASHES = ("sha256", "sha384", "sha512")
LONGEST = 16 * 1024
VARIABLE = "workstation_certificate_names"
# The attribute that the extensions are in.
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"


def workstation_faults(
    workstations: Workstations, domain: str, provider: str, reserved: Iterable[str] = ()
) -> list[str]:
    """Return a sentence for each workstation whose certificate cannot be issued, or must not be.

    Args:
        workstations: `host` and `names` of each.
        domain: the service's domain.
        provider: who issues, as in certificates_provider.
        reserved: names of others below the domain, with it or without.
    """
    if workstations and provider == "given":
        hosts = ", ".join(sorted(str(each["host"]) for each in workstations))
        return [
            f"certificates_provider is given, so nobody issues certificates for {hosts}. Take {VARIABLE} out of the "
            "inventory, and have your institution give those machines certificates of their own."
        ]
    taken = OWN | {name.rstrip(".").removesuffix(f".{domain}") for name in reserved}
    counted = Counter(str(name) for each in workstations for name in each["names"])
    return [
        f'{VARIABLE} of {each["host"]} has "{name}", {fault}'
        for each in workstations
        for name in map(str, each["names"])
        if (fault := _name_fault(name, domain, provider, taken, counted[name]))
    ]


def _name_fault(name: str, domain: str, provider: str, taken: Iterable[str], times: int) -> str:
    label = name.removesuffix(f".{domain}")
    example = f"e.g. ws1.{domain}."
    if not NAME.fullmatch(name):
        return f"which is no full name of one machine. Write it in lower case, without * or a final dot, {example}"
    if name == domain or label in taken:
        return f"which is the service's own or a fixed notebook's. Take another name, {example}"
    if label != name and LINK.fullmatch(label):
        return f"which could become the name of a link. Take a name that is not of three words, {example}"
    if label != name and "." in label:
        return f"which is not directly below {domain}. A machine there could set cookies for the name above; {example}"
    if label == name and provider == "private":
        return f"and the private authority may sign for names below {domain} alone. Take one of these, {example}"
    return "which is listed twice. Give each name to one machine." if times > 1 else ""


def request_fault(pem: str, names: Sequence[str]) -> str:
    """Say why a request (CSR) is not what a workstation may ask for; empty if it is.

    A workstation makes it, and an intruder there can make one too: nothing but a strong key and the names that the
    inventory allots may be in it.
    """
    try:
        request = _loaded(pem)
        checks = (_signature_fault(request), _key_fault(request), _subject_fault(request, names))
        found = next(filter(None, (*checks, *_extension_faults(request, names))), "")
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        found = f"cannot be read: {error}"
    if not found:
        return ""
    return (
        f"The request of {names[0]} {found.rstrip('.')}. The program of role workstation_certificate makes none like "
        "it: see who changes files on that machine, and run workstations.yml with -e "
        "workstation_certificate_new_key=true."
    )


def _loaded(pem: str) -> x509.CertificateSigningRequest:
    text = pem.strip()
    if len(text) > LONGEST:
        message = f"it has {len(text)} characters"
        raise ValueError(message)
    if not re.fullmatch(r"-----BEGIN CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE REQUEST-----", text):
        message = "it is not one PEM block of a certificate request"
        raise ValueError(message)
    return x509.load_pem_x509_csr(text.encode())


def _signature_fault(request: x509.CertificateSigningRequest) -> str:
    name = request.signature_hash_algorithm.name if request.signature_hash_algorithm else "another kind"
    if name not in HASHES:
        return f"is signed with {name}"
    return "" if request.is_signature_valid else "is not signed with its own key"


def _key_fault(request: x509.CertificateSigningRequest) -> str:
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "" if LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS else f"has an RSA key of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if key.curve.name in CURVES else f"has a key on the curve {key.curve.name}"
    return f"has a key of the kind {type(key).__name__.removesuffix('PublicKey')}"


def _subject_fault(request: x509.CertificateSigningRequest, names: Sequence[str]) -> str:
    other = [each for each in request.subject if each.oid != NameOID.COMMON_NAME or each.value not in names]
    return f"names {other[0].rfc4514_string()!a} in its subject" if other else ""


def _extension_faults(request: x509.CertificateSigningRequest, names: Sequence[str]) -> Iterator[str]:
    found: list[x509.GeneralName] = []
    for each in request.extensions:
        if isinstance(each.value, x509.SubjectAlternativeName):
            found = list(each.value)
        elif isinstance(each.value, x509.BasicConstraints) and each.value.ca:
            yield "asks to become an authority"
        else:
            yield f"asks for the extension {each.oid.dotted_string}"
    for attribute in request.attributes:
        if attribute.oid.dotted_string != EXTENSION_REQUEST:
            yield f"has the attribute {attribute.oid.dotted_string}"
    asked = {each.value if isinstance(each, x509.DNSName) else f"{each.value}" for each in found}
    if more := sorted(asked - set(names)):
        yield f"asks for {', '.join(map(ascii, more))}, which the inventory does not allot to it"
    if any(not isinstance(each, x509.DNSName) for each in found):
        yield "asks for something else than names"
    if missing := sorted(set(names) - asked):
        yield f"does not ask for {', '.join(missing)}"


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters."""
        return {"workstation_faults": workstation_faults, "request_fault": request_fault}
