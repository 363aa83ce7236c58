from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lightship_registry.core.errors import RegistryError
from lightship_registry.pki.keystore import Keystore
from unit.lightship_registry.world import World


def files(world: World) -> list[Path]:
    return sorted(path for folder in Keystore(world.settings).folders for path in folder.iterdir())


def test_keys_are_nobody_elses(world: World) -> None:
    assert [path.name for path in files(world)] == [
        "links.crt",
        "links.key",
        "proxy.crt",
        "proxy.key",
        "client.crt",
        "client.key",
    ]
    assert {path.suffix: path.stat().st_mode & 0o777 for path in files(world)} == {".crt": 0o644, ".key": 0o600}


def test_second_time_makes_nothing(world: World) -> None:
    before = {path: path.read_bytes() for path in files(world)}
    assert Keystore(world.settings).prepare(world.clock()) == []
    assert {path: path.read_bytes() for path in files(world)} == before


@pytest.mark.parametrize("lost", ["links.crt", "links.key", "proxy.key"])
def test_half_a_pair_is_never_replaced(world: World, lost: str) -> None:
    (world.settings.folders.state_dir / "authorities" / lost).unlink()
    with pytest.raises(RegistryError, match="Restore the other half"):
        Keystore(world.settings).prepare(world.clock())


def test_lost_client_certificate_is_made_again(world: World) -> None:
    keys = Keystore(world.settings)
    for suffix in (".crt", ".key"):
        keys.client.with_suffix(suffix).unlink()
    assert keys.prepare(world.clock()) == [keys.client]


def test_key_of_another_certificate(world: World) -> None:
    folder = world.settings.folders.state_dir / "authorities"
    (folder / "links.key").write_bytes((folder / "proxy.key").read_bytes())
    with pytest.raises(RegistryError, match="is not the key of"):
        Keystore(world.settings).links()


def test_unreadable_authority(world: World) -> None:
    folder = world.settings.folders.state_dir / "authorities"
    (folder / "links.crt").write_text("nonsense")
    with pytest.raises(RegistryError, match=r"links\.crt"):
        Keystore(world.settings).links()
    (folder / "proxy.crt").unlink()
    with pytest.raises(RegistryError, match=r"proxy\.crt"):
        Keystore(world.settings).proxy_pem()


def test_domain_changed(world: World) -> None:
    with pytest.raises(RegistryError, match="another domain"):
        Keystore(replace(world.settings, domain="example.org")).prepare(world.clock())


def test_new_proxy_authority_signs_a_new_client(world: World) -> None:
    keys = Keystore(world.settings)
    old = keys.client.read_bytes()
    for suffix in (".crt", ".key"):
        (world.settings.folders.state_dir / "authorities" / f"proxy{suffix}").unlink()
    assert keys.prepare(world.clock())[-1] == keys.client
    assert keys.client.read_bytes() != old
