from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from lightship_registry.core.errors import RegistryError
from lightship_registry.pki import authorities
from lightship_registry.pki.authorities import CLIENT, SERVER, Authority
from unit.lightship_registry.testbed import Hands

NOW = Hands().now
HOST = "one-two-three.notebooks.test"
# The tests of a whole run come minutes after this module was read.
HOUR = 3600


@pytest.fixture(scope="module")
def links() -> Authority:
    return authorities.new_authority("Lightship links notebooks.test", SERVER, NOW, "notebooks.test")


@pytest.fixture(scope="module")
def proxy() -> Authority:
    return authorities.new_authority("Proxy", CLIENT, NOW)


def signed(authority: Authority, host: str, end: float = NOW + HOUR) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(authorities.server_certificate(authority, key.public_key(), host, NOW, end), key)


def client(authority: Authority) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(authorities.client_certificate(authority, key.public_key(), NOW), key)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def shake(
    folder: Path, server: Authority, server_ca: Authority, peer: Authority, peer_ca: Authority, host: str
) -> None:
    """A whole mutual TLS handshake in memory, as strict as OpenSSL can be."""
    client_side = ssl.create_default_context(cadata=pem(server_ca.certificate))
    server_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=pem(peer_ca.certificate))
    server_side.verify_mode = ssl.CERT_REQUIRED
    for context, pair in ((client_side, peer), (server_side, server)):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        file = folder / "pair.pem"
        key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file.write_text(key + pem(pair.certificate))
        context.load_cert_chain(file)
    inbox, outbox = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client_side.wrap_bio(inbox, outbox, server_hostname=host),
        server_side.wrap_bio(outbox, inbox, server_side=True),
    ]
    for turn in range(8):
        try:
            ends[turn % 2].do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_authorities_are_told_apart(links: Authority, proxy: Authority) -> None:
    for authority, usage in ((links, SERVER), (proxy, CLIENT)):
        extensions = authority.certificate.extensions
        basic = extensions.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
        assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
    constraints = links.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName("notebooks.test")]


def test_certificate_of_a_link(links: Authority) -> None:
    leaf = signed(links, HOST, NOW + 3600).certificate
    extensions = leaf.extensions
    assert list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == [x509.DNSName(HOST)]
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert leaf.not_valid_after_utc.timestamp() == NOW + 3600
    identifier = links.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    key = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert key.key_identifier == identifier.digest


def test_host_too_long_for_a_subject(links: Authority) -> None:
    host = f"one-two-three.{'a' * 50}.notebooks.test"
    leaf = signed(links, host).certificate
    assert len(list(leaf.subject)) == 0
    assert leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_the_right_pair_shakes_hands(links: Authority, proxy: Authority, tmp_path: Path) -> None:
    shake(tmp_path, signed(links, HOST), links, client(proxy), proxy, HOST)


@pytest.mark.parametrize("case", ["client", "one-authority", "name", "domain", "expired", "authority"])
def test_every_wrong_pair_is_refused(links: Authority, proxy: Authority, tmp_path: Path, case: str) -> None:
    good, peer = signed(links, HOST), client(proxy)
    outside = "www.example.org"
    stranger = authorities.new_authority("Lightship links notebooks.test", SERVER, NOW, "notebooks.test")
    arguments = {
        "client": (good, links, signed(links, HOST), proxy, HOST),
        # Even a notebook that trusted the links' authority for clients would refuse a link's certificate.
        "one-authority": (good, links, signed(links, HOST), links, HOST),
        "name": (good, links, peer, proxy, "other-two-three.notebooks.test"),
        "domain": (signed(links, outside), links, peer, proxy, outside),
        "expired": (signed(links, HOST, NOW - 1), links, peer, proxy, HOST),
        "authority": (signed(stranger, HOST), links, peer, proxy, HOST),
    }[case]
    with pytest.raises(ssl.SSLError):
        shake(tmp_path, *arguments)


def test_authority_of_another_domain(links: Authority) -> None:
    authorities.require_domain(links, "notebooks.test", Path("links.crt"))
    with pytest.raises(RegistryError, match="another domain"):
        authorities.require_domain(links, "example.org", Path("links.crt"))
