"""What is said of an authority for notebooks' certificates that an institution gave, before any host gets it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from support.certificate_pairs import Pair, made_certificate
from unit.ansible.plugins import load

plugin = load("roles/link_registry/filter_plugins/given_authority.py")

DOMAIN = "notebooks.example.org"
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def made(title: str, signer: Pair | None = None, **more: Any) -> Pair:
    """A certificate whose days count from NOW."""
    return made_certificate(title, signer, now=NOW, **more)


def limits(permitted: list[x509.GeneralName], excluded: list[x509.GeneralName]) -> dict[str, Any]:
    """The names for which an authority may sign."""
    return {"more": (x509.NameConstraints(permitted or None, excluded or None),)}


def usage(*, signs: bool) -> dict[str, Any]:
    """What an authority may do with its key."""
    others = ("content_commitment", "data_encipherment", "key_agreement", "key_encipherment")
    no = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return {"more": (x509.KeyUsage(digital_signature=True, key_cert_sign=signs, crl_sign=True, **no),)}


ROOT = made("Root")
MIDDLE = made("Middle", ROOT)
LINKS = made("Links", MIDDLE)
NAME = x509.DirectoryName(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "University")]))
DNS = x509.DNSName


def fault(*chain: Pair, key: str = "", hours: int = 72) -> str:
    text = "".join(each.pem for each in chain)
    found: str = plugin.given_authority_fault(text, key or chain[0].key_pem(), DOMAIN, hours, NOW.timestamp())
    return found


@pytest.mark.parametrize(
    "chain",
    [
        (LINKS, MIDDLE, ROOT),
        (ROOT,),
        (made("Links", MIDDLE, key=rsa.generate_private_key(65537, 2048)), MIDDLE, ROOT),
        (made("Links", ROOT, path_length=0, **usage(signs=True)), ROOT),
        (made("Links", ROOT, usage=ExtendedKeyUsageOID.SERVER_AUTH), ROOT),
        (made("Links", ROOT, **limits([DNS("Example.org")], [DNS("mail.example.org")])), ROOT),
        (made("Links", ROOT, **limits([DNS("other.example"), DNS(".example.org")], [NAME])), ROOT),
        (made("Links", ROOT, **limits([DNS("")], [DNS(f"deeper.{DOMAIN}")])), ROOT),
    ],
)
def test_a_sound_one_is_taken(chain: tuple[Pair, ...]) -> None:
    assert fault(*chain) == ""


SHORT = made("Root", path_length=0)


@pytest.mark.parametrize(
    ("chain", "words"),
    [
        ((LINKS,), 'not complete: it ends with "CN=Links", signed by CN=Middle'),
        ((LINKS, MIDDLE), "signed by CN=Root. Append the certificates that are missing"),
        ((LINKS, ROOT), '"CN=Root" did not sign "CN=Links"'),
        ((made("Links", ROOT, names=(DOMAIN,)), ROOT), "that of no authority: it lacks CA:TRUE"),
        ((made("Links", ROOT, **usage(signs=False)), ROOT), "lacks keyCertSign"),
        ((made("Links", ROOT, usage=ExtendedKeyUsageOID.CLIENT_AUTH), ROOT), "lacks serverAuth"),
        ((made("Links", SHORT), SHORT), "allows 0 authorities below it (pathlen), and there are 1"),
        (
            (made("Links", middle := made("Middle", ROOT, path_length=0)), middle, ROOT),
            '"CN=Middle" in link_registry_links_authority_chain allows 0',
        ),
        ((made("Links", ROOT, ends=0), ROOT), "expired on 2026-06-01"),
        ((made("Links", ROOT, begins=1), ROOT), "not valid before 2026-06-02 00:00 UTC"),
        ((made("Links", ROOT, ends=2), ROOT), "ends on 2026-06-03 00:00 UTC, and notebooks that start now"),
        (
            (made("Links", root := made("Root", ends=2)), root),
            '"CN=Root" in link_registry_links_authority_chain ends',
        ),
        ((made("Links", ROOT, key=rsa.generate_private_key(65537, 1024)), ROOT), "an RSA key of 1024 bits"),  # noqa: S505 - a weak key, to be refused
        ((made("Links", ROOT, **limits([DNS("example.com")], [])), ROOT), "permits names below example.com only"),
        ((made("Links", ROOT, **limits([DNS(f"a.{DOMAIN}")], [])), ROOT), f"permits names below a.{DOMAIN} only"),
        ((made("Links", ROOT, **limits([], [DNS(".org")])), ROOT), "excludes names below .org"),
        ((made("Links", ROOT, **limits([NAME], [])), ROOT), "permits certain directory names only"),
    ],
)
def test_what_cannot_sign_for_links_is_refused(chain: tuple[Pair, ...], words: str) -> None:
    assert words in fault(*chain)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (made("x").key_pem(), 'is not the key of "CN=Links", the first of link_registry_links_authority_chain'),
        (MIDDLE.key_pem(), "in the wrong order"),
        (LINKS.key_pem(b"secret"), "link_registry_links_authority_key has a password"),
        ("nonsense", "link_registry_links_authority_key is damaged"),
    ],
    ids=["another key", "wrong order", "password", "nonsense"],
)
def test_the_key_must_be_the_authoritys(key: str, words: str) -> None:
    assert words in fault(LINKS, MIDDLE, ROOT, key=key)


def test_a_damaged_chain() -> None:
    text = LINKS.pem[:200] + LINKS.pem[220:]
    assert "link_registry_links_authority_chain is damaged" in plugin.given_authority_fault(text, "", DOMAIN, 72)
