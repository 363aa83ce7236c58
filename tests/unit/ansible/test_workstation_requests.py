"""Which names a workstation may have, and which requests are refused before the proxy sees them."""

from __future__ import annotations

import base64
import textwrap
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID

from unit.ansible.plugins import load

plugin = load("roles/certificates/filter_plugins/workstations.py")

DOMAIN = "notebooks.example.org"
NAME = f"ws1.{DOMAIN}"


def faults(*names: str, provider: str = "acme") -> list[str]:
    found: list[str] = plugin.workstation_faults(
        [{"host": "desk", "names": list(names)}], DOMAIN, provider, ["jupyter", f"ns2.{DOMAIN}"]
    )
    return found


@pytest.mark.parametrize("names", [[NAME], ["ws1.example.net", "lab-ws1." + DOMAIN], []])
def test_names_that_a_workstation_may_have(names: list[str]) -> None:
    assert faults(*names) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (DOMAIN, "which is the service's own"),
        (f"registry.{DOMAIN}", "which is the service's own"),
        (f"manage.{DOMAIN}", "which is the service's own"),
        (f"ns2.{DOMAIN}", "which is the service's own"),
        (f"jupyter.{DOMAIN}", "or a fixed notebook's"),
        (f"*.{DOMAIN}", "which is no full name of one machine"),
        (f"_acme-challenge.{DOMAIN}", "which is no full name of one machine"),
        (f"WS1.{DOMAIN}", "Write it in lower case"),
        ("ws1", "which is no full name"),
        (f"quiet-river-stone.{DOMAIN}", "which could become the name of a link"),
        (f"a.quiet-river-stone.{DOMAIN}", f"which is not directly below {DOMAIN}"),
    ],
)
def test_names_of_others_are_refused(name: str, said: str) -> None:
    (fault,) = faults(name)
    assert fault.startswith(f'workstation_certificate_names of desk has "{name}", ')
    assert said in fault


def test_one_name_is_one_machines() -> None:
    assert all("listed twice" in fault for fault in faults(NAME, NAME))


def test_a_private_authority_signs_below_the_domain_alone() -> None:
    assert faults(NAME, provider="private") == []
    assert f"may sign for names below {DOMAIN} alone" in faults("ws1.example.net", provider="private")[0]


def test_with_a_given_certificate_there_are_none() -> None:
    assert "certificates_provider is given" in faults(NAME, provider="given")[0]
    assert plugin.workstation_faults([], DOMAIN, "given") == []


def requested(
    *names: str,
    key: Any = None,
    subject: tuple[tuple[x509.ObjectIdentifier, str], ...] = (),
    extensions: tuple[x509.ExtensionType, ...] = (),
    challenge: bytes = b"",
) -> str:
    """A request with whatever somebody writes into one."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(*each) for each in subject])
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    for each in extensions:
        builder = builder.add_extension(each, critical=True)
    if challenge:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.PEM).decode()


RIGHT = requested(NAME)
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
WEAK = rsa.generate_private_key(65537, 1024)  # noqa: S505


def test_what_our_program_makes_is_taken() -> None:
    assert plugin.request_fault(RIGHT, [NAME]) == ""
    assert plugin.request_fault(requested("b.example.net", NAME), [NAME, "b.example.net"]) == ""
    strong = rsa.generate_private_key(65537, 2048)
    assert plugin.request_fault(requested(NAME, key=strong, subject=((NameOID.COMMON_NAME, NAME),)), [NAME]) == ""


@pytest.mark.parametrize(
    ("pem", "said"),
    [
        ("", "cannot be read: it is not one PEM block"),
        (RIGHT + RIGHT, "cannot be read: it is not one PEM block"),
        ("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "cannot be read"),
        ("x" * 20000, "it has 20000 characters"),
        (requested(NAME, f"*.{DOMAIN}"), f"asks for '*.{DOMAIN}', which the inventory does not allot to it"),
        (requested(f"ws2.{DOMAIN}"), f"asks for 'ws2.{DOMAIN}'"),
        (requested(NAME, subject=((NameOID.COMMON_NAME, DOMAIN),)), "in its subject"),
        (requested(NAME, subject=((NameOID.ORGANIZATION_NAME, "Bank"),)), "in its subject"),
        (requested(NAME, extensions=(AUTHORITY,)), "asks to become an authority"),
        (requested(NAME, extensions=(x509.OCSPNoCheck(),)), "asks for the extension 1.3.6.1.5.5.7.48.1.5"),
        (requested(NAME, challenge=b"x"), "has the attribute 1.2.840.113549.1.9.7"),
        (requested(NAME, key=WEAK), "has an RSA key of 1024 bits"),
        (requested(NAME, key=ec.generate_private_key(ec.SECP192R1())), "has a key on the curve secp192r1"),
        (requested(NAME, key=ed25519.Ed25519PrivateKey.generate()), "is signed with another kind"),
    ],
    ids=lambda value: "" if "-----" in value or len(value) > 100 else value,
)
def test_hostile_requests_are_refused_with_a_sentence(pem: str, said: str) -> None:
    fault = plugin.request_fault(pem, [NAME])
    assert fault.startswith(f"The request of {NAME} ")
    assert said in fault
    assert "workstation_certificate_new_key=true" in fault
    assert "\n" not in fault


def test_a_request_of_another_key_is_refused() -> None:
    damaged = bytearray(x509.load_pem_x509_csr(RIGHT.encode()).public_bytes(Encoding.DER))
    damaged[-1] ^= 1
    body = "\n".join(textwrap.wrap(base64.b64encode(damaged).decode(), 64))
    pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
    assert "is not signed with its own key" in plugin.request_fault(pem, [NAME])


def test_a_missing_name_is_told() -> None:
    assert "does not ask for b.example.net" in plugin.request_fault(RIGHT, [NAME, "b.example.net"])
