from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightship_registry.core.errors import RegistryError
from lightship_registry.core.settings import Settings
from lightship_registry.links import targets
from unit.lightship_registry.testbed import Hands, make_settings

EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


@pytest.fixture
def everywhere(tmp_path: Path) -> Settings:
    """The most careless site: even so, nothing but a node may be a target."""
    return make_settings(tmp_path, clusters={"demo": EVERYWHERE}, allow_local_targets=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        str(ipaddress.IPv4Address(0)),
        "::",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
    ],
)
def test_never_a_target(everywhere: Settings, address: str) -> None:
    with pytest.raises(RegistryError, match="compute node") as caught:
        targets.require_allowed(everywhere, "demo", targets.address_of(address))
    assert caught.value.status == 422


def test_a_node_is_allowed(everywhere: Settings) -> None:
    targets.require_allowed(everywhere, "demo", targets.address_of("192.0.2.7"))
    targets.require_allowed(everywhere, "demo", targets.address_of("2001:db8::7"))


def test_only_the_clusters_own_networks(everywhere: Settings) -> None:
    narrow = replace(everywhere, clusters={"demo": (ipaddress.ip_network("192.0.2.0/28"),), "other": EVERYWHERE})
    targets.require_allowed(narrow, "demo", targets.address_of("192.0.2.15"))
    for cluster, address in (("demo", "192.0.2.16"), ("demo", "2001:db8::7"), ("gone", "192.0.2.1")):
        with pytest.raises(RegistryError, match="outside"):
            targets.require_allowed(narrow, cluster, targets.address_of(address))


def test_own_addresses(everywhere: Settings) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        own = targets.address_of(outward.getsockname()[0])
    assert targets.is_own(own)
    assert targets.is_own(ipaddress.ip_address("127.0.0.1"))
    assert not targets.is_own(ipaddress.ip_address("192.0.2.1"))
    with pytest.raises(RegistryError, match="the proxy itself"):
        targets.require_allowed(everywhere, "demo", own)


@given(st.ip_addresses().filter(lambda address: getattr(address, "ipv4_mapped", None) is None))
def test_addresses_survive(address: targets.Address) -> None:
    assert targets.address_of(str(address)) == address


@given(st.none() | st.text())
def test_nonsense_is_no_address(text: str | None) -> None:
    with pytest.raises(RegistryError):
        targets.address_of(text and f"{text}x")


def test_target_as_in_a_url() -> None:
    assert targets.target_of(ipaddress.ip_address("10.0.0.1"), 4000) == "10.0.0.1:4000"
    assert targets.target_of(ipaddress.ip_address("fd00::1"), 4000) == "[fd00::1]:4000"


@pytest.mark.parametrize(("family", "text"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connections_still_held_are_seen(family: socket.AddressFamily, text: str) -> None:
    address = ipaddress.ip_address(text)
    try:
        listener = socket.create_server((text, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    ticks = Hands()
    peers = targets.Peers(ticks)
    with listener:
        port = listener.getsockname()[1]
        assert not peers.has(address, port)
        with socket.create_connection((text, port)):
            listener.accept()[0].close()
            assert not peers.has(address, port), "one look serves a second"
            ticks.now += 1
            assert peers.has(address, port)
        assert not peers.has(address, port), "nobody is refused for what is over"
