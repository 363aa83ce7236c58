from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starlette.routing import Route

from lightship_registry.api import openapi, operations
from lightship_registry.api.operation import Operation, Proof, Service
from lightship_registry.api.operations import OPERATIONS, Api
from lightship_registry.api.signatures import Verifier
from lightship_registry.core.observer import NO_OBSERVER
from lightship_registry.links.agent_faults import AgentFaults
from lightship_registry.links.jobs import Jobs
from lightship_registry.links.probe import Prober
from lightship_registry.pki.keystore import Keystore
from lightship_registry.store.jobs import JobStore
from lightship_registry.store.nonces import NonceStore
from unit.lightship_registry.testbed import Testbed

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


def routes(testbed: Testbed) -> list[Route]:
    verifier = Verifier(testbed.settings, NonceStore(testbed.database).spend, testbed.clock)
    jobs = Jobs(
        JobStore(testbed.database), testbed.reconciler, AgentFaults(testbed.settings, testbed.clock), testbed.clock
    )
    keys = Keystore(testbed.settings)
    service = Service(
        testbed.settings,
        testbed.links,
        testbed.publisher,
        jobs,
        testbed.tunnels,
        Prober(keys),
        keys.proxy_pem(),
        testbed.clock,
        NO_OBSERVER,
    )
    return Api(service, verifier).routes()


def described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = operations.description()["paths"][operation.path][operation.method.lower()]
    return found


def test_it_names_exactly_the_routes_of_the_application(testbed: Testbed) -> None:
    # Whatever may be read with GET may be asked for with HEAD.
    served = {(route.path, method) for route in routes(testbed) for method in (route.methods or set()) - {"HEAD"}}
    paths = operations.description()["paths"]
    assert {(path, method.upper()) for path, item in paths.items() for method in item} == served
    assert len(served) == len(OPERATIONS), "a line that another one hides"


def test_everybody_may_read_it(testbed: Testbed) -> None:
    answer = testbed.send("GET", "/v1/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == operations.description()


@each_operation
def test_only_two_proofs_are_known(operation: Operation) -> None:
    proofs = {Proof.SIGNATURE: [*openapi.HEADERS], Proof.SECRET: ["secret"]}
    expected: list[dict[str, list[str]]] = (
        [{key: [] for key in proofs[operation.proof]}] if operation.proof in proofs else []
    )
    assert described(operation)["security"] == expected
    assert (operation.proof is Proof.NONE) == (operation.path == openapi.PATH)


def test_each_operation_has_a_name_of_its_own() -> None:
    for names in ([each.name for each in OPERATIONS], [each.action for each in OPERATIONS]):
        assert len(set(names)) == len(OPERATIONS)


@each_operation
def test_what_the_table_says_is_described(operation: Operation) -> None:
    """Summary, statuses, and the fields of both models with all that is required of them."""
    found, components = described(operation), operations.description()["components"]["schemas"]
    assert found["summary"] == operation.summary != ""
    assert {*found["responses"]} == {f"{status}" for status in (operation.status, *operation.failures)}
    model = components[operation.asked.__name__]
    assert {*model["properties"]} == {*operation.asked.__struct_fields__}
    if operation.method == "GET":
        names = [each["name"] for each in found.get("parameters", ()) if each["in"] == "query"]
        assert names == model["required"] == [*model["properties"]], "a query has no optional fields"
        assert "requestBody" not in found
    else:
        assert found["requestBody"]["required"] == bool(model["required"])
    if operation.proof is not Proof.NONE:
        assert issubclass(operation.answered, msgspec.Struct)
        answer = components[operation.answered.__name__]
        assert (answer["required"], answer["additionalProperties"]) == ([*answer["properties"]], False)


@each_operation
def test_every_code_is_described_with_its_status(operation: Operation) -> None:
    """`Testbed` looks up each refusal that a test meets in the table: those are all of the codes that there are."""
    for status, codes in operation.failures.items():
        schema = described(operation)["responses"][f"{status}"]["content"]["application/json"]["schema"]
        assert schema["properties"]["code"]["enum"] == [*codes]
        assert len(set(codes)) == len(codes) > 0
    # More than its proof can meet, but for those that have nothing more to refuse.
    assert operation.codes or operation.name in ("openapi", "ping")
