"""The update key, and a challenge that stands during one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from support.zone_host import KEY, Keyring, keyring_of, secret_in, set_challenge


@pytest.fixture(scope="module")
def secret(host: Host) -> str:
    """The update key, in Base64."""
    return secret_in(host, KEY)


@pytest.fixture(scope="module")
def keyring(secret: str) -> Keyring:
    """The update key, as a client holds it."""
    return keyring_of("lightship-acme", secret)


@pytest.fixture
def challenge(keyring: Keyring) -> Iterator[str]:
    """A challenge record that stands during one test."""
    set_challenge(keyring, "proof")
    yield "proof"
    set_challenge(keyring)
