"""`start-jupyter keys`: the public keys with which a user's machines may open tunnels to the proxy host."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any, Callable

from lightship_cluster.agent.client import AgentClient
from lightship_cluster.config.settings import SiteSettings
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.core.texts import cleaned, quoted, shortened
from lightship_cluster.login.command_line import Asked
from lightship_cluster.login.public_keys import fingerprint_of, key_in, wrong
from lightship_cluster.login.tables import table

HEAD = ("KEY", "TYPE", "COMMENT", "ADDED")
HASH = "SHA256:"
WIDEST_COMMENT = 30
NO_KEYS = "You have no keys. start-jupyter keys --add ~/.ssh/id_ed25519.pub adds one: the public key of your machine."
NO_ADDRESS = "Your administrators have not given you an address to listen at, so your keys open no tunnel yet."
OPENS = "To open a tunnel, on the machine that has the private key and the notebook:"


def run(asked: Asked, load: Callable[[], SiteSettings]) -> ExitStatus:
    """Add a key, remove one, or list them; then print what they open."""
    add, remove = asked.said("add"), asked.said("remove")
    if add and remove:
        raise LightshipError("Give --add or --remove, not both.", ExitStatus.USAGE)
    # Read first: a bad file is refused even without an agent.
    key = key_in(add) if add else ""
    agent = AgentClient(load().agent_socket)
    if add:
        answer, words = _added(agent, key)
    elif remove:
        answer, words = _removed(agent, remove)
    else:
        answer = agent.keys()
        words = f"{_listed(answer)}\n\n{_opened(answer)}"
    print(json.dumps({key: value for key, value in answer.items() if key != "ok"}) if asked.says("json") else words)
    return ExitStatus.OK


def _added(agent: AgentClient, key: str) -> tuple[dict[str, Any], str]:
    answer = agent.add_key(key)
    fingerprint = fingerprint_of(key)
    mine = next((known for known in _keys(answer) if known["fingerprint"] == fingerprint), {"fingerprint": fingerprint})
    return answer, f"Added {_named(mine)}.\n{_opened(answer)}"


def _removed(agent: AgentClient, wanted: str) -> tuple[dict[str, Any], str]:
    key = _find(_keys(agent.keys()), wanted)
    answer = agent.remove_key(str(key["fingerprint"]))
    return answer, f"Removed {_named(key)}; a tunnel that is open stays open until its ssh ends."


def _find(keys: list[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """The key with this beginning of its fingerprint, or with this comment."""
    beginning = wanted if wanted.startswith(HASH) else HASH + wanted
    found = [
        key
        for key in keys
        if _comment(key) == wanted or (beginning != HASH and str(key["fingerprint"]).startswith(beginning))
    ]
    if not found:
        raise wrong(f"You have no key {quoted(wanted)}. List them with start-jupyter keys.")
    if len(found) > 1:
        fingerprints = ", ".join(_line(key["fingerprint"]) for key in found)
        raise wrong(f"{quoted(wanted)} means several of your keys: {fingerprints}. Type more of the fingerprint.")
    return found[0]


def _listed(answer: dict[str, Any]) -> str:
    keys = _keys(answer)
    if not keys:
        return NO_KEYS
    rows = [(_line(key["fingerprint"]), _line(key["type"]), _short_comment(key), _date(key)) for key in keys]
    narrow = [(row[0], ", ".join(filter(None, (*row[1:3], f"added {row[3]}")))) for row in rows]
    return table([HEAD, *rows], narrow)


def _opened(answer: dict[str, Any]) -> str:
    """The commands that open tunnels with the keys."""
    addresses = [_line(address) for address in answer.get("listen") or []]
    if not addresses:
        return NO_ADDRESS
    destination = shlex.quote(_line(answer.get("destination")))
    ways = (shlex.quote(f"{address}:localhost:{address.rpartition(':')[2]}") for address in addresses)
    return "\n".join([OPENS, *(f"    ssh -N -R {way} {destination}" for way in ways)])


def _keys(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(answer.get("keys") or [])


def _named(key: dict[str, Any]) -> str:
    comment = _comment(key)
    return _line(key["fingerprint"]) + (f" ({comment})" if comment else "")


def _comment(key: dict[str, Any]) -> str:
    return _line(key.get("comment") or "")


def _short_comment(key: dict[str, Any]) -> str:
    return shortened(_comment(key), WIDEST_COMMENT)


def _date(key: dict[str, Any]) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(int(key["added"])))


def _line(value: object) -> str:
    """A text as one line for a terminal; comments of keys come from elsewhere and are not trusted."""
    return " ".join(cleaned(str(value)).split())
