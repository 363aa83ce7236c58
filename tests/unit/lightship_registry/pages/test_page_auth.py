from __future__ import annotations

import hashlib

import pytest
from starlette.requests import Request

from lightship_registry.core.records import Glance
from lightship_registry.pages.page_auth import proven_token
from unit.lightship_registry.testbed import TOKEN, TOKEN_SHA256, Testbed


def showing(*tokens: str) -> Request:
    return Request({"type": "http", "headers": [(b"x-lightship-token", token.encode()) for token in tokens]})


def test_only_the_links_own_token_proves_anything(testbed: Testbed) -> None:
    known = testbed.store.glance(testbed.create(token_sha256=TOKEN_SHA256)["name"]).token_sha256
    assert proven_token(showing(TOKEN), known) == TOKEN
    for tokens in ([], [""], ["f" * 32], [TOKEN.upper()], [TOKEN + "\n"], [TOKEN_SHA256], [TOKEN, TOKEN]):
        assert proven_token(showing(*tokens), known) == ""
    assert testbed.store.glance("one-two-nobody") == Glance()


def test_the_right_token_is_found_among_those_that_neighbours_added(testbed: Testbed) -> None:
    known = testbed.store.glance(testbed.create(token_sha256=TOKEN_SHA256)["name"]).token_sha256
    others = [f"{number:032x}" for number in range(15)]
    for shown in ([*others, TOKEN], [TOKEN, *others], [TOKEN, TOKEN], [others[0], TOKEN, others[1]]):
        assert proven_token(showing(",".join(shown)), known) == TOKEN
    for shown in ([*others, "f" * 32, TOKEN], [TOKEN, ""], [TOKEN, "x"], [TOKEN, f" {TOKEN}"], others):
        assert proven_token(showing(",".join(shown)), known) == ""


@pytest.mark.parametrize("known", ["", hashlib.sha256(b"").hexdigest()])
def test_a_link_without_a_token_is_nobodys(testbed: Testbed, known: str) -> None:
    kept = testbed.store.glance(testbed.create(token_sha256=known)["name"]).token_sha256
    for token in (TOKEN, "", "0" * 32, "0" * 64):
        assert proven_token(showing(token), kept) == ""
