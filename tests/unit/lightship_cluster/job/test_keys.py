from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.job import keys
from unit.lightship_cluster.fake_programs import program


def test_openssl_makes_a_key_and_a_request_that_fits_it(tmp_path: Path) -> None:
    request = x509.load_pem_x509_csr(keys.make_request(tmp_path, tmp_path / "key.pem").encode("ascii"))
    key = load_pem_private_key((tmp_path / "key.pem").read_bytes(), None)

    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert request.is_signature_valid
    assert request.public_key() == key.public_key()


def test_a_failing_openssl_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "openssl", "#!/bin/sh\necho 'no entropy' >&2\nexit 1\n")
    monkeypatch.setattr(keys, "_path", lambda: str(tmp_path))
    with pytest.raises(LightshipError, match="no entropy"):
        keys.make_request(tmp_path, tmp_path / "key.pem")


def test_a_missing_openssl_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_path", lambda: str(tmp_path))
    with pytest.raises(LightshipError, match="openssl"):
        keys.make_request(tmp_path, tmp_path / "key.pem")
