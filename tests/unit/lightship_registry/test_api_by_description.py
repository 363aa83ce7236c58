"""Generated requests for every operation of the API's description; `LIGHTSHIP_API_CASES` says how many in all."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lightship_protocol.states import ENDED, READY, STARTING, WAITING
from lightship_registry import app
from lightship_registry.api import operations
from lightship_registry.api.operation import Proof
from lightship_registry.core import ssh_keys
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Owner
from lightship_registry.links.probe import Expected
from lightship_registry.links.targets import Address
from unit.lightship_registry.testbed import DOMAIN, Testbed, build_testbed, make_csr

OPERATIONS = {each.name: each for each in operations.OPERATIONS if each.proof is not Proof.NONE}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
CASES = int(os.environ.get("LIGHTSHIP_API_CASES", "600"))
EACH = max(1, CASES // (len(OPERATIONS) * len(MODES)))
CHECKS: list[Any] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BASE = f"https://registry.{DOMAIN}:8443"
CSR = make_csr(ec.generate_private_key(ec.SECP256R1()))
KEY = ssh_keys.parse(
    Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
)

# Links in each state, one whose name is made up, and the name as it was generated.
LINKS = (WAITING, STARTING, READY, ENDED, "unknown", "generated")
PROOFS = ("right", "right", "right", "none", "wrong")


class Probed:
    """Stands in for the prober: no generated port is ever connected to."""

    def __init__(self, _keys: object) -> None:
        pass

    async def probe(self, _address: Address, port: int, _expected: Expected) -> None:
        if port % 4 == 0:
            raise RegistryError("Nobody answers.", "no-answer", 502)


class Client:
    """Sends generated requests to the application, and keeps links in every state for them."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(testbed.app, raise_app_exceptions=True)
        self._client = httpx.AsyncClient(transport=transport, base_url=BASE)
        self._links: dict[str, dict[str, Any]] = {}
        self._ports = itertools.count(1024)
        self._nodes = itertools.count()

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def link(self, state: str) -> dict[str, Any]:
        """A link that is in this state now: an earlier case may have taken it on."""
        made = self._links.get(state)
        found = self.testbed.store.find(made["name"]) if made else None
        if made is None or found is None or found.state != state:
            made = self._links[state] = self._make(state)
        return made

    def _make(self, state: str) -> dict[str, Any]:
        made = self.testbed.create()
        if state in (STARTING, READY):
            assert self.testbed.job(made, "claim", {"csr": CSR}).status_code == 200
        if state == READY:
            port = next(self._ports)
            link = self.testbed.store.find(made["name"])
            assert link is not None
            self.testbed.publisher.publish(link, f"127.0.0.2:{port}")
        if state == ENDED:
            self.testbed.job(made, "end")
        return made

    def _node(self) -> str:
        # Another one each time: generated ports repeat, and a target belongs to one link.
        number = next(self._nodes)
        return f"127.1.{number // 256 % 256}.{number % 256}"

    def send(self, request: httpx.Request) -> httpx.Response:
        return self._runner.run(self._client.send(request))

    def request(self, case: Any, link: dict[str, Any], proof: str) -> httpx.Request:
        """The case as bytes, with the proof that its operation asks for."""
        sent = case.as_transport_kwargs(base_url=BASE)
        known = ("method", "url", "params", "headers", "json", "data", "files", "cookies")
        prepared = requests.Request(**{key: sent[key] for key in known if sent.get(key) is not None}).prepare()
        raw: Any = prepared.body or b""
        body: bytes = raw.encode() if isinstance(raw, str) else raw
        headers: dict[Any, Any] = {key: value for key, value in prepared.headers.items() if not _is_proof(key)}
        headers |= {"Host": f"registry.{DOMAIN}:8443", "X-Real-IP": self._node()}
        request = self._client.build_request(prepared.method or "", prepared.url or "", headers=headers, content=body)
        request.headers.update(self._proof(case, request, body, link, proof))
        return request

    def _proof(
        self, case: Any, request: httpx.Request, body: bytes, link: dict[str, Any], proof: str
    ) -> dict[str, str]:
        if proof == "none":
            return {}
        if OPERATIONS[case.operation.definition.raw["operationId"]].proof is Proof.SECRET:
            return {"Authorization": f"Bearer {link['secret'] if proof == 'right' else '0' * 64}"}
        signed = self.testbed.signed(request.method, request.url.raw_path.decode("ascii"), body)
        return signed if proof == "right" else {**signed, "X-Lightship-Signature": "0" * 64}


def _is_proof(header: str) -> bool:
    return header.lower() == "authorization" or header.lower().startswith("x-lightship-")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "Prober", Probed)
        testbed = build_testbed(
            tmp_path_factory.mktemp("registry"), user_quota=10**9, user_creations_per_hour=10**9, waiting_hours=10**4
        )
    client = Client(testbed)
    yield client
    client.close()
    testbed.engine.dispose()


@pytest.fixture(scope="module")
def described() -> Any:
    return schemathesis.openapi.from_dict(operations.description())


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_is_as_described(client: Client, described: Any, name: str, mode: GenerationMode) -> None:
    known = OPERATIONS[name]
    operation = described[known.path][known.method.upper()]
    strategy = operation.as_strategy(generation_mode=mode)
    statuses: dict[int, int] = {}

    # The same requests each time, unless somebody asks for a number of them.
    @settings(
        max_examples=EACH,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        derandomize="LIGHTSHIP_API_CASES" not in os.environ,
    )
    @given(
        state=st.sampled_from(LINKS),
        user=st.sampled_from(["alice", "alice", "bob", None]),
        real=st.booleans(),
        proof=st.sampled_from(PROOFS),
        # Last: what is drawn after a large body has only its simplest values left.
        case=strategy,
    )
    def answers(case: Any, state: str, user: str | None, real: bool, proof: str) -> None:
        link = client.link(state if state in LINKS[:4] else WAITING)
        if name == "key-remove":
            client.testbed.tunnels.add(Owner("demo", user or "alice"), KEY)
        aim(case, link["name"] if state in LINKS[:4] else state, user, real and mode is GenerationMode.POSITIVE)
        answer = client.send(client.request(case, link, proof))
        assert answer.status_code != 500, answer.text
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
        case.validate_response(answer, checks=CHECKS)

    answers()
    print(name, mode.name, sum(statuses.values()), statuses)
    assert known.status in statuses or mode is GenerationMode.NEGATIVE or EACH < 200, "some requests have to succeed"


def aim(case: Any, name: str, user: str | None, real: bool) -> None:
    """Let the generated request meet something that is there; no generated request or key would ever be whole."""
    if "name" in (case.path_parameters or {}) and name != "generated":
        case.path_parameters["name"] = "never-was-there" if name == "unknown" else name
    if user and "user" in (case.query or {}):
        case.query["user"] = user
    if isinstance(case.body, dict):
        if user and "user" in case.body:
            case.body["user"] = user
        whole = {"csr": CSR, "key": KEY.text, "fingerprint": KEY.fingerprint}
        case.body.update({field: value for field, value in whole.items() if real and field in case.body})
