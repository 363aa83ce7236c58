from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route

import lightship_registry
from lightship_registry.api import openapi
from lightship_registry.api.operations import Api
from lightship_registry.api.signatures import Verifier
from lightship_registry.links.probe import Prober
from lightship_registry.pki.keystore import Keystore
from unit.lightship_registry.world import World


def routes(world: World) -> list[Route]:
    verifier = Verifier(world.settings, world.store.spend_nonce, world.clock)
    return Api(world.links, world.tunnels, verifier, Prober(Keystore(world.settings))).routes()


def test_it_names_exactly_the_routes_of_the_application(world: World) -> None:
    # Whatever may be read with GET may be asked for with HEAD.
    served = {(route.path, method) for route in routes(world) for method in (route.methods or set()) - {"HEAD"}}
    described = {(path, method.upper()) for path, item in openapi.document()["paths"].items() for method in item}
    assert described == served


def test_everybody_may_read_it(world: World) -> None:
    answer = world.send("GET", "/v1/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == openapi.document()


def test_every_code_that_a_request_can_meet_is_described() -> None:
    folder = Path(lightship_registry.__file__).parent
    rooms = ("api", "core", "links", "pki", "tunnels")
    source = "".join(path.read_text("utf-8") for room in rooms for path in sorted((folder / room).glob("*.py")))
    used = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)", (?:4|5)\d\d\b', source))
    used |= set(re.findall(r'(?:_conflict|invalid|_bad)\([^\n]*?, "([a-z-]+)"\)', source))
    assert len(used) > 15
    described = {
        code
        for item in openapi.document()["paths"].values()
        for operation in item.values()
        for response in operation["responses"].values()
        for code in response["content"]["application/json"]["schema"]
        .get("properties", {})
        .get("code", {})
        .get("enum", ())
    }
    assert used - described == set()


@pytest.mark.parametrize("operation", [*openapi.AGENTS, *openapi.JOBS], ids=lambda operation: operation.name)
def test_only_two_proofs_are_known(operation: openapi.Operation) -> None:
    described = openapi.document()["paths"][operation.path][operation.method]
    proof = openapi.SIGNATURE if operation in openapi.AGENTS else ("secret",)
    assert described["security"] == [{key: [] for key in proof}]
