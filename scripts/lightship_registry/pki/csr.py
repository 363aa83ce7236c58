"""Reads certificate signing requests. Only the public key is used; other fields are ignored."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from lightship_registry.core.errors import RegistryError, invalid
from lightship_registry.pki.authorities import PublicKey

MAX_PEM = 16384
CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
RSA_BITS = (2048, 8192)


def public_key_of(pem: str) -> PublicKey:
    """The public key of the request; an error if the signature is invalid or the key too weak."""
    if len(pem) > MAX_PEM:
        raise _bad(f"it is longer than {MAX_PEM} characters")
    try:
        request = x509.load_pem_x509_csr(pem.encode("ascii"))
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise _bad("it cannot be read") from error
    if not signed:
        raise _bad("its signature does not fit its key")
    return _strong(key)


def _strong(key: object) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES):
        return key
    if isinstance(key, rsa.RSAPublicKey) and RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
        return key
    raise _bad("its key must be EC P-256, P-384 or P-521, or RSA of 2048 to 8192 bits")


def _bad(why: str) -> RegistryError:
    return invalid(f"The certificate request is refused: {why}.", "bad-csr")
