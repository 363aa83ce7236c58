from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.locks import hold_folder
from lightship_registry.pki.keystore import Keystore
from unit.lightship_registry.testbed import Testbed


def files(testbed: Testbed) -> list[Path]:
    return sorted(path for folder in Keystore(testbed.settings).folders for path in folder.iterdir())


def test_keys_are_nobody_elses(testbed: Testbed) -> None:
    assert [path.name for path in files(testbed)] == [
        "links-trusted.crt",
        "links.crt",
        "links.key",
        "proxy.crt",
        "proxy.key",
        "client.crt",
        "client.key",
    ]
    assert {path.suffix: path.stat().st_mode & 0o777 for path in files(testbed)} == {".crt": 0o644, ".key": 0o600}


def test_second_time_makes_nothing(testbed: Testbed) -> None:
    before = {path: path.read_bytes() for path in files(testbed)}
    assert Keystore(testbed.settings).prepare(testbed.clock()) == []
    assert {path: path.read_bytes() for path in files(testbed)} == before


@pytest.mark.parametrize("lost", ["links.crt", "links.key", "proxy.key"])
def test_half_a_pair_is_never_replaced(testbed: Testbed, lost: str) -> None:
    (testbed.settings.folders.state_dir / "authorities" / lost).unlink()
    with pytest.raises(RegistryError, match="Restore the other half"):
        Keystore(testbed.settings).prepare(testbed.clock())


def test_lost_client_certificate_is_made_again(testbed: Testbed) -> None:
    keys = Keystore(testbed.settings)
    for suffix in (".crt", ".key"):
        keys.client.with_suffix(suffix).unlink()
    assert keys.prepare(testbed.clock()) == [keys.client]


@pytest.mark.parametrize("content", [None, "nonsense"])
def test_what_the_web_server_trusts_is_made_again(testbed: Testbed, content: str | None) -> None:
    keys = Keystore(testbed.settings)
    assert keys.trusted.read_text() == keys.links_pem()
    keys.trusted.unlink()
    if content is not None:
        keys.trusted.write_text(content)
    assert keys.prepare(testbed.clock()) == [keys.trusted]
    assert keys.trusted.read_text() == keys.links_pem()


def test_prepare_waits_for_no_other_command(testbed: Testbed) -> None:
    keys = Keystore(testbed.settings)
    with hold_folder(keys.folders[0]), pytest.raises(RegistryError, match="Run this again when it has ended"):
        keys.prepare(testbed.clock())


def test_key_of_another_certificate(testbed: Testbed) -> None:
    folder = testbed.settings.folders.state_dir / "authorities"
    (folder / "links.key").write_bytes((folder / "proxy.key").read_bytes())
    with pytest.raises(RegistryError, match="is not the key of"):
        Keystore(testbed.settings).links()


def test_unreadable_authority(testbed: Testbed) -> None:
    folder = testbed.settings.folders.state_dir / "authorities"
    (folder / "links.crt").write_text("nonsense")
    with pytest.raises(RegistryError, match=r"links\.crt"):
        Keystore(testbed.settings).links()
    (folder / "proxy.crt").unlink()
    with pytest.raises(RegistryError, match=r"proxy\.crt"):
        Keystore(testbed.settings).proxy_pem()


def test_domain_changed(testbed: Testbed) -> None:
    with pytest.raises(RegistryError, match="another domain"):
        Keystore(replace(testbed.settings, domain="example.org")).prepare(testbed.clock())


def test_new_proxy_authority_signs_a_new_client(testbed: Testbed) -> None:
    keys = Keystore(testbed.settings)
    old = keys.client.read_bytes()
    for suffix in (".crt", ".key"):
        (testbed.settings.folders.state_dir / "authorities" / f"proxy{suffix}").unlink()
    assert keys.prepare(testbed.clock())[-1] == keys.client
    assert keys.client.read_bytes() != old
