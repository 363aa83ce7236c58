from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lightship_registry.store.nonces import NonceStore
from unit.lightship_registry.testbed import Testbed, both_databases

pytestmark = both_databases


@pytest.fixture
def store(testbed: Testbed) -> NonceStore:
    return NonceStore(testbed.database)


def test_nonces_are_spent_once_per_cluster(store: NonceStore) -> None:
    assert store.spend("demo", "n", 1.0)
    assert not store.spend("demo", "n", 2.0)
    assert store.spend("other", "n", 2.0)
    store.forget(2.0)
    assert store.spend("demo", "n", 3.0)
    assert not store.spend("other", "n", 3.0)


def test_a_nonce_is_spent_once_however_many_try(store: NonceStore) -> None:
    with ThreadPoolExecutor(10) as pool:
        spent = list(pool.map(lambda _: store.spend("demo", "n", 1.0), range(20)))
    assert spent.count(True) == 1
