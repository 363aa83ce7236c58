from __future__ import annotations

import asyncio
import hashlib
import socket
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from lightship_registry.core.errors import RegistryError
from lightship_registry.links.probe import Expected, Prober
from lightship_registry.links.targets import address_of
from lightship_registry.pki.keystore import Keystore
from lightship_registry.pki.rollover import LinksRollover
from unit.lightship_registry.testbed import NODE, Identity, Testbed, notebook


@pytest.fixture
def identity(testbed: Testbed) -> Identity:
    return testbed.claim(testbed.create())


def expected(identity: Identity) -> Expected:
    der = identity.leaf().public_bytes(Encoding.DER)
    return Expected(identity.claimed["host"], hashlib.sha256(der).hexdigest())


def ask(testbed: Testbed, who: Expected, port: int, seconds: float = 3) -> None:
    asyncio.run(Prober(Keystore(testbed.settings), seconds).probe(address_of(NODE), port, who))


def code_of(testbed: Testbed, who: Expected, port: int, seconds: float = 3) -> str:
    with pytest.raises(RegistryError) as caught:
        ask(testbed, who, port, seconds)
    assert caught.value.status == 502
    return caught.value.code


def test_the_notebook_itself(testbed: Testbed, identity: Identity, tmp_path: Path) -> None:
    with notebook(identity.server_context(tmp_path)) as port:
        ask(testbed, expected(identity), port)


def test_notebooks_of_both_authorities_while_one_replaces_the_other(
    testbed: Testbed, identity: Identity, tmp_path: Path
) -> None:
    rollover = LinksRollover(testbed.settings)
    rollover.begin(testbed.clock())
    rollover.switch()
    again = Testbed(testbed.settings, testbed.clock)
    newer = again.claim(again.create())
    again.close()
    for one in (identity, newer):
        with notebook(one.server_context(tmp_path)) as port:
            ask(testbed, expected(one), port)
    rollover.close()
    with notebook(identity.server_context(tmp_path)) as port:
        assert code_of(testbed, expected(identity), port) == "wrong-certificate"


def test_one_link_has_one_probe_at_a_time(testbed: Testbed, identity: Identity) -> None:
    async def twice() -> list[BaseException | None]:
        prober = Prober(Keystore(testbed.settings), 0.5)
        asked = (prober.probe(address_of(NODE), mute.getsockname()[1], expected(identity)) for _ in range(2))
        return list(await asyncio.gather(*asked, return_exceptions=True))

    with socket.create_server((NODE, 0)) as mute:
        codes = [error.code for error in asyncio.run(twice()) if isinstance(error, RegistryError)]
    assert sorted(codes) == ["no-answer", "probe-under-way"]


def test_a_notebook_that_redirects_is_one(testbed: Testbed, identity: Identity, tmp_path: Path) -> None:
    with notebook(identity.server_context(tmp_path), b"HTTP/1.1 302 Found\r\n\r\n") as port:
        ask(testbed, expected(identity), port)


def test_earlier_certificate_of_the_same_name(testbed: Testbed, identity: Identity, tmp_path: Path) -> None:
    with notebook(identity.server_context(tmp_path)) as port:
        assert code_of(testbed, Expected(identity.claimed["host"], "0" * 64), port) == "wrong-certificate"


def test_other_name(testbed: Testbed, identity: Identity, tmp_path: Path) -> None:
    with notebook(identity.server_context(tmp_path)) as port:
        other = Expected("one-two-three.notebooks.test", expected(identity).certificate_sha256)
        assert code_of(testbed, other, port) == "wrong-certificate"


def test_plain_http(testbed: Testbed, identity: Identity) -> None:
    with notebook(None) as port:
        assert code_of(testbed, expected(identity), port) == "no-answer"


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"x" * 20_000, b"\r\n", b"HTTP/1.1 200"])
def test_not_http(testbed: Testbed, identity: Identity, tmp_path: Path, answer: bytes) -> None:
    with notebook(identity.server_context(tmp_path), answer) as port:
        assert code_of(testbed, expected(identity), port, 0.5) == "no-answer"


def test_silence_ends_in_time_and_does_not_stop_others(testbed: Testbed, identity: Identity, tmp_path: Path) -> None:
    async def both(port: int) -> int:
        probe = Prober(Keystore(testbed.settings), 0.3).probe(address_of(NODE), port, expected(identity))
        waiting = asyncio.create_task(probe)
        ticks = 0
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        with pytest.raises(RegistryError, match="no answer in time: a firewall may be between"):
            await waiting
        return ticks

    started = time.monotonic()
    with notebook(identity.server_context(tmp_path), b"") as port:
        assert asyncio.run(both(port)) > 5
    assert time.monotonic() - started < 2


def test_notebook_that_wants_another_proxy(testbed: Testbed, identity: Identity, tmp_path: Path) -> None:
    context = identity.server_context(tmp_path)
    links_only = Keystore(testbed.settings).links_pem()
    fresh = type(context)(context.protocol)
    fresh.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    fresh.load_verify_locations(cadata=links_only)
    fresh.verify_mode = context.verify_mode
    with notebook(fresh) as port:
        assert code_of(testbed, expected(identity), port) == "no-answer"
