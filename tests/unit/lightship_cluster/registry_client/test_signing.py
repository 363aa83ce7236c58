from __future__ import annotations

import hashlib
import hmac
import time
from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.registry_client import signing

KEY = bytes(range(32))


def test_the_signature_covers_the_whole_request() -> None:
    headers = signing.sign(KEY, "demo", "POST", "/v1/links?user=a", b'{"user":"a"}')
    parts = ["POST", "/v1/links?user=a", hashlib.sha256(b'{"user":"a"}').hexdigest()]
    parts += [headers["X-Lightship-Time"], headers["X-Lightship-Nonce"], "demo"]

    assert headers["X-Lightship-Signature"] == hmac.new(KEY, "\n".join(parts).encode(), "sha256").hexdigest()
    assert abs(int(headers["X-Lightship-Time"]) - time.time()) < 5
    assert len(headers["X-Lightship-Nonce"]) == 32


def test_no_nonce_comes_twice() -> None:
    assert len({signing.sign(KEY, "demo", "GET", "/", b"")["X-Lightship-Nonce"] for _ in range(50)}) == 50


def test_the_key_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY.hex() + "\n")

    assert signing.load_key(tmp_path / "key") == KEY


@pytest.mark.parametrize("content", ["", "abcd", "zz" * 32, "ab" * 33])
def test_a_wrong_key_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    (tmp_path / "key").write_text(content)

    with pytest.raises(LightshipError, match="64 hexadecimal digits") as refused:
        signing.load_key(tmp_path / "key")

    assert refused.value.status is ExitStatus.SETTINGS
    assert not content or content not in refused.value.sentence


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(LightshipError, match="No such file"):
        signing.load_key(tmp_path / "key")
