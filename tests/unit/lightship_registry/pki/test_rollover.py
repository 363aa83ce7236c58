from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from lightship_registry.api.models import Claimed
from lightship_registry.core.errors import RegistryError
from lightship_registry.pki.keystore import Keystore, key_of
from lightship_registry.pki.rollover import ClientChange, LinksRollover, ProxyRollover, Stage
from unit.lightship_registry.testbed import Testbed


def certificates(pem: str) -> set[x509.Certificate]:
    return set(x509.load_pem_x509_certificates(pem.encode()))


def test_a_rollover_of_links_from_its_begin_to_its_end(testbed: Testbed) -> None:
    rollover, keys = LinksRollover(testbed.settings), Keystore(testbed.settings)
    old = keys.links().certificate
    assert (rollover.stage, rollover.since) == (Stage.NONE, 0)
    rollover.begin(testbed.clock())
    (new,) = certificates(keys.trusted.read_text()) - {old}
    assert keys.links().certificate == old
    rollover.begin(testbed.clock())
    assert certificates(keys.trusted.read_text()) == {old, new}, "once begun, it goes on with the same"
    trusted = keys.trusted.read_bytes()
    rollover.switch()
    assert keys.links().certificate == new
    assert keys.trusted.read_bytes() == trusted
    assert rollover.stage is Stage.INTERRUPTED
    rollover.mark(1000.2)
    assert (rollover.stage, rollover.since) == (Stage.OVERLAP, 1001)
    rollover.abandon()
    rollover.switch()
    assert keys.links().certificate == new, "too late"
    rollover.distrust()
    rollover.close()
    assert keys.trusted.read_text() == keys.links_pem()
    assert (rollover.stage, rollover.since) == (Stage.NONE, 0)


def test_a_rollover_that_is_abandoned_leaves_nothing(testbed: Testbed) -> None:
    rollover = LinksRollover(testbed.settings)
    before = {path: path.read_bytes() for path in rollover.folder.iterdir()}
    rollover.begin(testbed.clock())
    rollover.abandon()
    assert {path: path.read_bytes() for path in rollover.folder.iterdir()} == before


def test_prepare_in_between_changes_nothing(testbed: Testbed) -> None:
    rollover, keys = LinksRollover(testbed.settings), Keystore(testbed.settings)
    rollover.begin(testbed.clock())
    assert keys.prepare(testbed.clock()) == []
    rollover.switch()
    assert keys.prepare(testbed.clock()) == []
    rollover.distrust()
    # Its notebooks may still be there: `finish` was interrupted.
    assert keys.prepare(testbed.clock()) == [keys.trusted]


@pytest.mark.parametrize("content", ["", "soon", "\xff"])
def test_a_moment_that_cannot_be_read_is_none(testbed: Testbed, content: str) -> None:
    rollover = ProxyRollover(testbed.settings)
    rollover.begin(testbed.clock())
    rollover.present.with_suffix(".since").write_text(content, "latin-1")
    assert rollover.stage is Stage.INTERRUPTED


def test_a_moment_of_another_rollover_does_not_count(testbed: Testbed) -> None:
    rollover = ProxyRollover(testbed.settings)
    rollover.mark(testbed.clock())
    rollover.begin(testbed.clock())
    assert (rollover.stage, rollover.since) == (Stage.INTERRUPTED, 0)


def test_a_notebook_is_told_both_authorities_of_the_proxys_certificate(testbed: Testbed) -> None:
    rollover = ProxyRollover(testbed.settings)
    rollover.begin(testbed.clock())
    again = Testbed(testbed.settings, testbed.clock)
    told = again.claim(again.create()).claimed
    again.close()
    expected = {x509.load_pem_x509_certificate(path.read_bytes()) for path in (rollover.present, rollover.next)}
    assert certificates(told["client_ca"]) == expected
    assert len(expected) == 2
    assert told.keys() == set(Claimed.__struct_fields__)


def test_the_client_certificate_goes_back_to_what_it_was(testbed: Testbed) -> None:
    client = ClientChange(testbed.settings)
    before = {path: path.read_bytes() for path in client.present.parent.iterdir()}
    client.sign(ProxyRollover(testbed.settings).present, testbed.clock())
    assert client.present.read_bytes() != before[client.present]
    assert key_of(client.old).read_bytes() == before[key_of(client.present)]
    client.put_back()
    assert {path: path.read_bytes() for path in client.present.parent.iterdir()} == before


def test_an_authority_that_cannot_be_read_signs_nothing(testbed: Testbed) -> None:
    client = ClientChange(testbed.settings)
    with pytest.raises(RegistryError, match="nowhere"):
        client.sign(Path("/nowhere.crt"), testbed.clock())
    assert not client.old.exists()
