from __future__ import annotations

import pytest

from lightship_registry.core.interfaces import INTERFACES, SATELLITE, V1, Interface, interface_of


@pytest.mark.parametrize("interface", INTERFACES, ids=lambda each: each.name)
def test_each_is_found_by_its_name(interface: Interface) -> None:
    assert interface_of(interface.name) is interface


def test_only_satellites_notebooks_are_reached_without_tls() -> None:
    assert V1.route("10.1.2.3:4567") == "https://10.1.2.3:4567"
    assert SATELLITE.route("10.1.2.3:4567") == "http://10.1.2.3:4567"


def test_an_unknown_name_proves_nothing_and_is_reached_by_tls() -> None:
    assert not interface_of("v\x00").proves_owner
    assert interface_of("v\x00").route("10.1.2.3:4567") == "https://10.1.2.3:4567"
