"""What the API does with users' SSH keys; that a cluster vouches for the user is proven before."""

from __future__ import annotations

from lightship_registry.api.calls import Call, Json, user_of_query
from lightship_registry.core import fields, ssh_keys
from lightship_registry.core.errors import RegistryError
from lightship_registry.store.ssh_keys import KeptKey
from lightship_registry.tunnels.tunnels import Tunnels


class KeyCalls:
    """Each answers with all of the user's keys and what they open."""

    def __init__(self, tunnels: Tunnels) -> None:
        self._tunnels = tunnels

    def listed(self, call: Call) -> Json:
        """Only tell."""
        call.user = user_of_query(call)
        return self._answer(call)

    def add(self, call: Call) -> Json:
        """One more."""
        call.user = fields.user(call.data.get("user"))
        key = ssh_keys.parse(fields.string(call.data, "key"))
        call.reason = key.fingerprint
        self._tunnels.add(call.owner, key)
        return self._answer(call)

    def remove(self, call: Call) -> Json:
        """One less."""
        call.user = fields.user(call.data.get("user"))
        call.reason = fields.fingerprint(call.data.get("fingerprint"))
        if not self._tunnels.remove(call.owner, call.reason):
            raise RegistryError("You have no such key.", "no-such-key", 404)
        return self._answer(call)

    def _answer(self, call: Call) -> Json:
        kept = self._tunnels.kept(call.cluster, call.user)
        return {
            "keys": [_told(key) for key in kept],
            "listen": self._tunnels.listen_addresses(call.owner),
            "destination": self._tunnels.destination,
        }


def _told(key: KeptKey) -> Json:
    return {
        "fingerprint": key.fingerprint,
        "type": key.key.partition(" ")[0],
        "comment": key.comment,
        "added": int(key.added_at),
    }
