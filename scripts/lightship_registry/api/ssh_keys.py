"""What agents may ask of a user's SSH keys; each answer tells all of them and what they open."""

from __future__ import annotations

from lightship_registry.api import models
from lightship_registry.api.calls import Call
from lightship_registry.api.operation import Service
from lightship_registry.core import ssh_keys
from lightship_registry.core.errors import RegistryError
from lightship_registry.store.ssh_keys import KeptKey


def listed(service: Service, call: Call, _asked: models.OfUser) -> models.Keys:
    """List the SSH keys for a user's tunnels, and where these may listen."""
    tunnels = service.tunnels
    keys = [_told(key) for key in tunnels.kept(call.cluster, call.user)]
    return models.Keys(keys, list(tunnels.listen_addresses(call.owner)), tunnels.destination)


def add(service: Service, call: Call, asked: models.GiveKey) -> models.Keys:
    """Add an SSH key for the user's tunnels; adding it again is no error."""
    key = ssh_keys.parse(asked.key)
    call.reason = key.fingerprint
    service.tunnels.add(call.owner, key)
    return listed(service, call, asked)


def remove(service: Service, call: Call, asked: models.TakeKey) -> models.Keys:
    """Remove an SSH key: it opens the user's tunnels no longer."""
    call.reason = asked.fingerprint
    if not service.tunnels.remove(call.owner, call.reason):
        raise RegistryError("You have no such key.", "no-such-key", 404)
    return listed(service, call, asked)


def _told(key: KeptKey) -> models.Key:
    return models.Key(key.fingerprint, key.key.partition(" ")[0], key.comment, int(key.added_at))
