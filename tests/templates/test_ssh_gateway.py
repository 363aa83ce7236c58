"""What sshd is told of the tunnel account."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

Render = Callable[..., str]

KEY = {"key": "ssh-ed25519 AAAA alice@ws", "listen": ["localhost:8888", "127.0.0.1:8888"]}
USER = {"cluster": "demo", "user": "bob", "listen": ["localhost:9999", "localhost:8888"]}


def value(text: str, setting: str) -> str:
    """Return what the one line says."""
    (found,) = re.findall(rf"^    {setting} (.*)$", text, re.M)
    return str(found)


@pytest.mark.parametrize(
    ("tunnels", "places"),
    [
        ([], "none"),
        ([KEY], "localhost:8888 127.0.0.1:8888"),
        ([USER, KEY], "localhost:9999 localhost:8888 127.0.0.1:8888"),
    ],
)
def test_no_key_listens_where_the_inventory_lists_no_place(
    render: Render, tunnels: list[dict[str, object]], places: str
) -> None:
    text = render("ssh_gateway", "sshd.conf.j2", ssh_gateway_tunnels=tunnels)
    assert value(text, "PermitListen") == places


def test_sshd_asks_for_all_keys_where_open_tunnels_are_counted_and_for_users_only_where_there_may_be_some(
    render: Render,
) -> None:
    command = "/etc/lightship/list-tunnel-keys /run/lightship-tunnels 3 %f /etc/lightship/tunnel_keys"
    for tunnels, asked in (([KEY], command), ([KEY, USER], f"{command} /run/lightship/tunnels/authorized_keys")):
        text = render("ssh_gateway", "sshd.conf.j2", ssh_gateway_tunnels=tunnels, ssh_gateway_key_tunnels=3)
        assert value(text, "AuthorizedKeysCommand") == asked
        assert value(text, "AuthorizedKeysFile") == "none"


def test_users_have_no_line_among_the_keys_of_the_inventory(render: Render) -> None:
    lines = render("ssh_gateway", "tunnel_keys.j2", ssh_gateway_tunnels=[USER, KEY]).splitlines()
    places = 'permitlisten="localhost:8888",permitlisten="127.0.0.1:8888"'
    assert [line for line in lines if not line.startswith("#")] == [f"restrict,port-forwarding,{places} {KEY['key']}"]
