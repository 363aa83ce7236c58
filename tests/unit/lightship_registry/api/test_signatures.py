from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lightship_registry.api.signatures import Signed, Verifier, read_key, sign
from lightship_registry.core.errors import RegistryError
from unit.lightship_registry.testbed import Testbed

KEY = bytes(range(32))
REQUEST = Signed("POST", "/v1/links?x=1", b"{}", "1700000000", "0" * 32, "demo", "")


def test_known_answer() -> None:
    # The agent's own tests hold the same line: both sides must agree for ever.
    assert sign(KEY, REQUEST) == "cefdef888c310f02d13eabf949786ff6738e85f2a7547965a556fd9b8698cd72"


@given(part=st.sampled_from(["method", "path", "time", "nonce", "cluster"]), text=st.text(), key=st.binary(max_size=64))
def test_every_part_counts(part: str, text: str, key: bytes) -> None:
    assume(text != getattr(REQUEST, part) and "\n" not in text and key != KEY)
    changed: dict[str, Any] = {part: text}
    assert sign(KEY, replace(REQUEST, **changed)) != sign(KEY, REQUEST)
    assert sign(key, REQUEST) != sign(KEY, REQUEST)
    assert sign(KEY, replace(REQUEST, body=text.encode("utf-8", "surrogatepass") + b"+")) != sign(KEY, REQUEST)


@pytest.mark.parametrize("content", ["", "00" * 31, "zz" * 32, "00" * 33, "\udcff"])
def test_a_broken_key_lets_nobody_in(tmp_path: Path, content: str) -> None:
    path = tmp_path / "demo.key"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(RegistryError) as caught:
        read_key(path)
    assert (caught.value.status, caught.value.code) == (403, "refused")
    assert "demo.key" in caught.value.detail
    assert "demo.key" not in caught.value.sentence


def test_key_may_end_its_line(tmp_path: Path) -> None:
    path = tmp_path / "demo.key"
    path.write_text(KEY.hex() + "\n")
    assert read_key(path) == KEY


def test_a_refused_request_spends_no_nonce(testbed: Testbed) -> None:
    spent: list[str] = []

    def spend(_cluster: str, nonce: str, _now: float) -> bool:
        spent.append(nonce)
        return True

    verifier = Verifier(testbed.settings, spend, testbed.clock)
    request = replace(REQUEST, time=str(int(testbed.clock())))
    with pytest.raises(RegistryError):
        verifier.verify(replace(request, signature="0" * 64))
    assert spent == []
    key = read_key(testbed.settings.folders.clusters_dir / "demo.key")
    verifier.verify(replace(request, signature=sign(key, request)))
    assert spent == [REQUEST.nonce]
