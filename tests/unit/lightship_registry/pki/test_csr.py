from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from lightship_registry.core.errors import RegistryError
from lightship_registry.pki.csr import public_key_of
from unit.lightship_registry.testbed import Testbed, make_csr

BEGIN, END = "-----BEGIN CERTIFICATE REQUEST-----\n", "-----END CERTIFICATE REQUEST-----\n"


def ec_key(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve)


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP521R1()), rsa_key(2048)]
)
def test_strong_keys(key: Any) -> None:
    assert public_key_of(make_csr(key)) == key.public_key()


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP192R1()), ec.generate_private_key(ec.SECP256K1()), rsa_key(1024)]
)
def test_weak_and_odd_keys(key: Any) -> None:
    with pytest.raises(RegistryError, match="its key must be") as caught:
        public_key_of(make_csr(key))
    assert (caught.value.status, caught.value.code) == (422, "bad-csr")


def test_edwards_key() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    with pytest.raises(RegistryError, match="its key must be"):
        public_key_of(builder.sign(key, None).public_bytes(Encoding.PEM).decode())


def test_key_without_proof_of_possession() -> None:
    pem = make_csr(ec_key(ec.SECP256R1()))
    der = bytearray(base64.b64decode("".join(pem.splitlines()[1:-1])))
    der[-1] ^= 1
    changed = base64.encodebytes(bytes(der)).decode()
    with pytest.raises(RegistryError, match="signature does not fit"):
        public_key_of(f"{BEGIN}{changed}{END}")


@given(
    st.text()
    | st.text().map(lambda text: f"-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----")
)
def test_nonsense(text: str) -> None:
    with pytest.raises(RegistryError):
        public_key_of(text)


def test_too_long() -> None:
    with pytest.raises(RegistryError, match="longer"):
        public_key_of("x" * 20_000)


def test_wishes_of_the_request_are_ignored(testbed: Testbed) -> None:
    wishes = (
        x509.SubjectAlternativeName([x509.DNSName("registry.notebooks.test"), x509.DNSName("*.notebooks.test")]),
        x509.BasicConstraints(ca=True, path_length=None),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
    )
    made = testbed.create()
    request = make_csr(ec_key(ec.SECP256R1()), "registry.notebooks.test", *wishes)
    answer = testbed.job(made, "claim", {"csr": request}).json()
    leaf, authority = x509.load_pem_x509_certificates(answer["certificate"].encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(f"{made['name']}.notebooks.test")]
    assert leaf.subject.rfc4514_string() == f"CN={made['name']}.notebooks.test"
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    leaf.verify_directly_issued_by(authority)
