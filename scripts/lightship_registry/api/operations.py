"""The HTTP API in one table, and its routes: agents sign their requests with the cluster's key, jobs bear a secret."""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter
from http import HTTPMethod
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from lightship_protocol import signing
from lightship_protocol.states import ENDED
from lightship_registry.api import agents, jobs, openapi, ssh_keys
from lightship_registry.api.bodies import read_body
from lightship_registry.api.calls import Call, Endpoint, endpoint
from lightship_registry.api.models import Body, Data, Nothing, OfUser
from lightship_registry.api.operation import Codes, Operation, Proof, Service
from lightship_registry.api.signatures import Signed, Verifier
from lightship_registry.core import errors, fields
from lightship_registry.core.counting import OTHER

# Agents come again within seconds; this long, an idle cluster keeps its allowance.
AGENT_KNOWN_SECONDS = 3600
BEARER = re.compile(r"Bearer ([0-9a-f]{64})", re.IGNORECASE)

GET, POST = HTTPMethod.GET, HTTPMethod.POST
SIGNATURE, SECRET = Proof.SIGNATURE, Proof.SECRET
Json = dict[str, Any]
LINK = "/v1/links/{name}"

BAD: Codes = {422: ("bad-request",)}
BAD_KEY: Codes = {422: ("bad-request", "bad-key")}
OVER: Codes = {410: ("ended",)}
# A name with a slash in it is another address.
NOWHERE: Codes = {404: ("no-such-address",)}
OWNED: Codes = BAD | {404: ("no-such-link", "no-such-address")}
CLAIM_CODES: Codes = NOWHERE | OVER | {409: ("already-claimed",), 422: ("bad-request", "bad-csr")}
TARGET_CODES: Codes = (
    NOWHERE
    | OVER
    | {409: ("not-claimed", "target-set", "target-taken", "probe-under-way")}
    | {422: ("bad-request", "bad-address"), 502: ("no-answer", "wrong-certificate")}
)
BEAT_CODES: Codes = NOWHERE | OVER | {409: ("not-claimed",)}


@functools.cache
def description() -> Json:
    """The description of all of it."""
    return openapi.document(OPERATIONS)


def _describe(_service: Service, _call: Call, _asked: Nothing) -> Json:
    """Get this description."""
    return description()


OPERATIONS = (
    Operation(GET, openapi.PATH, Proof.NONE, OTHER, _describe, quiet=True, called="openapi"),
    Operation(GET, "/v1/ping", SIGNATURE, "ping", agents.ping, quiet=True),
    Operation(POST, "/v1/jobs", SIGNATURE, "jobs", agents.report, BAD, quiet=True),
    Operation(GET, "/v1/keys", SIGNATURE, "keys", ssh_keys.listed, BAD, quiet=True),
    Operation(POST, "/v1/keys", SIGNATURE, "key-add", ssh_keys.add, BAD_KEY | {429: ("too-many-keys",)}),
    Operation(POST, "/v1/keys/remove", SIGNATURE, "key-remove", ssh_keys.remove, BAD | {404: ("no-such-key",)}),
    Operation(POST, "/v1/links", SIGNATURE, "create", agents.create, BAD | {429: ("quota", "too-many")}, status=201),
    Operation(GET, LINK, SIGNATURE, "status", agents.status, OWNED, quiet=True),
    Operation(POST, f"{LINK}/job", SIGNATURE, "job", agents.job, OWNED | OVER | {409: ("job-set",)}),
    Operation(POST, f"{LINK}/cancel", SIGNATURE, "cancel", agents.cancel, OWNED),
    Operation(POST, f"{LINK}/claim", SECRET, "claim", jobs.claim, CLAIM_CODES),
    Operation(POST, f"{LINK}/target", SECRET, "target", jobs.target, TARGET_CODES),
    Operation(POST, f"{LINK}/heartbeat", SECRET, "beat", jobs.heartbeat, BEAT_CODES, quiet=True, called="heartbeat"),
    Operation(POST, f"{LINK}/end", SECRET, "end", jobs.end, NOWHERE | BAD),
)


class Api:
    """The routes, and the two ways of proving who asks."""

    def __init__(self, service: Service, verifier: Verifier) -> None:
        self._service = service
        self._verifier = verifier

    def routes(self) -> list[Route]:
        """One for each operation."""
        return [Route(each.path, self._endpoint(each), methods=[each.method]) for each in OPERATIONS]

    def _endpoint(self, operation: Operation) -> Endpoint:
        handler, service = operation.handler, self._service

        # Who asks, and what comes of it, in one go in a worker thread: each change of threads costs as much as a query.
        def in_thread(call: Call, body: bytes) -> object:
            return handler(service, call, self._asked(operation, call, body))

        async def run(call: Call) -> object:
            if operation.proof is Proof.NONE:
                return handler(service, call, Nothing())
            answer = await run_in_threadpool(in_thread, call, await read_body(call.request))
            return await answer if inspect.isawaitable(answer) else answer

        return endpoint(operation.action, run, status=operation.status, quiet=operation.quiet)

    def _asked(self, operation: Operation, call: Call, body: bytes) -> Body:
        """What the request says; nobody learns what is wrong with it who did not prove who asks."""
        if operation.proof is SIGNATURE:
            self._require_signature(call, body)
        else:
            self._require_secret(call)
        data = fields.parse_object(body)
        if operation.method is GET:
            data = _query(call.request)
        if issubclass(operation.asked, OfUser):
            # At once: a refusal of another field is recorded with the user's name.
            call.user = fields.user(data)
        return operation.asked.read(data)

    def _require_signature(self, call: Call, body: bytes) -> None:
        signed = _signed_parts(call.request, body)
        self._verifier.verify(signed)
        call.known(AGENT_KNOWN_SECONDS)
        call.cluster = signed.cluster
        self._service.observer.heard(signed.cluster, int(signed.time) - self._service.clock())

    def _require_secret(self, call: Call) -> None:
        bearer = BEARER.fullmatch(call.request.headers.get("authorization", ""))
        if bearer is None:
            raise errors.refused("no secret")
        call.link = link = self._service.links.of_secret(call.name, bearer[1].lower())
        call.cluster, call.user = link.cluster, link.user
        call.known(0 if link.state == ENDED else link.expires_at - self._service.clock())


def _query(request: Request) -> Data:
    """What is asked for in a request that has no body; what is said twice is not said."""
    pairs = request.query_params.multi_items()
    times = Counter(key for key, _ in pairs)
    return {key: value for key, value in pairs if times[key] == 1}


def _signed_parts(request: Request, body: bytes) -> Signed:
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope["query_string"]
    headers = request.headers
    return Signed(
        method=request.method,
        path=(path + b"?" + query if query else path).decode("latin-1"),
        body=body,
        time=headers.get(signing.TIME, ""),
        nonce=headers.get(signing.NONCE, ""),
        cluster=headers.get(signing.CLUSTER, ""),
        signature=headers.get(signing.SIGNATURE, ""),
    )
