"""The API's description for programs, in OpenAPI 3.1: one table of what each operation takes and answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lightship_registry.api import schemas
from lightship_registry.api.calls import NO_STORE, Endpoint
from lightship_registry.api.schemas import Schema

PATH = "/v1/openapi.json"
LINK = "/v1/links/{name}"
ABOUT = (
    "How agents and jobs make, publish and end links. Served on the registry's own host name. The web server in front "
    "adds 429 too-many-requests and, while the registry is not there, 502 and 504 registry-unreachable."
)
# In every signed request at once.
SIGNATURE = ("cluster", "time", "nonce", "signature")
SIGNED_TEXT = (
    "The hexadecimal HMAC-SHA256, by the cluster's key, of method, path with query, hexadecimal SHA-256 of the body, "
    "time, nonce and cluster, joined by line feeds."
)
HEADERS = {
    "cluster": "The cluster's name.",
    "time": "Unix time in seconds, at most 30 off.",
    "nonce": "32 hexadecimal digits, each once.",
    "signature": SIGNED_TEXT,
}
SENTENCES = {
    200: "Done.",
    201: "Made.",
    400: "The body is not a JSON object.",
    403: "Who asks is not proven.",
    404: "There is no such link or key of this owner, or no such address.",
    408: "The body came too slowly.",
    409: "The link is in another state.",
    410: "The link has ended.",
    413: "The body is too large.",
    422: "A field of the request is wrong.",
    429: "As many links, or keys, as are allowed.",
    500: "Only the administrator can mend this.",
    502: "The link's notebook does not answer at the target.",
}

Codes = Mapping[int, tuple[str, ...]]

ANY: Codes = {
    400: ("bad-request",),
    408: ("too-slow",),
    413: ("too-large",),
    500: ("registry-error",),
}
SIGNED: Codes = {403: ("refused", "clock", "replayed")}
BEARER: Codes = {403: ("refused",)}
BAD: Codes = {422: ("bad-request",)}
ENDED: Codes = {410: ("ended",)}
# A name with a slash in it is another address.
NOWHERE: Codes = {404: ("no-such-address",)}
OWNED: Codes = {404: ("no-such-link", "no-such-address")}


@dataclass(frozen=True)
class Operation:
    """One line of the API; the codes are those beyond what every operation can answer."""

    method: str
    path: str
    name: str
    summary: str
    answer: Schema
    codes: Codes
    body: Schema | None = None
    status: int = 200
    query: Mapping[str, Schema] = field(default_factory=dict)


# Those that a cluster's key vouches for.
AGENTS = (
    Operation("get", "/v1/ping", "ping", "Do key and clock fit?", schemas.PONG, {}),
    Operation("post", "/v1/jobs", "jobs", "Report on jobs.", schemas.WATCH, BAD, schemas.REPORTS),
    Operation(
        "post",
        "/v1/links",
        "create",
        "Make a link.",
        schemas.MADE,
        {**BAD, 429: ("quota", "too-many")},
        schemas.WISH,
        status=201,
    ),
    Operation(
        "get",
        LINK,
        "status",
        "How is a link?",
        schemas.STATUS,
        {**OWNED, **BAD},
        query={"user": schemas.USER},
    ),
    Operation(
        "post",
        f"{LINK}/job",
        "job",
        "Say which job the link is for.",
        schemas.STATUS,
        {**OWNED, 409: ("job-set",), **ENDED, **BAD},
        schemas.JOB,
    ),
    Operation("post", f"{LINK}/cancel", "cancel", "End a link.", schemas.STATUS, {**OWNED, **BAD}, schemas.CANCEL),
    Operation(
        "get",
        "/v1/keys",
        "keys",
        "Which SSH keys open a user's tunnels, and where these may listen.",
        schemas.KEYS,
        BAD,
        query={"user": schemas.USER},
    ),
    Operation(
        "post",
        "/v1/keys",
        "key-add",
        "Let a key open the user's tunnels; again is no error.",
        schemas.KEYS,
        {422: ("bad-request", "bad-key"), 429: ("too-many-keys",)},
        schemas.KEY_GIVEN,
    ),
    Operation(
        "post",
        "/v1/keys/remove",
        "key-remove",
        "Let it open them no longer.",
        schemas.KEYS,
        {404: ("no-such-key",), **BAD},
        schemas.KEY_TAKEN,
    ),
)
# Those that bear the link's secret.
JOBS = (
    Operation(
        "post",
        f"{LINK}/claim",
        "claim",
        "Take the link's certificate, once.",
        schemas.CLAIMED,
        {**NOWHERE, 409: ("already-claimed",), **ENDED, 422: ("bad-request", "bad-csr")},
        schemas.CLAIM,
    ),
    Operation(
        "post",
        f"{LINK}/target",
        "target",
        "Publish the notebook that listens where the request comes from.",
        schemas.PUBLISHED,
        {
            **NOWHERE,
            409: ("not-claimed", "target-set", "target-taken", "probe-under-way"),
            **ENDED,
            422: ("bad-request", "bad-address"),
            502: ("no-answer", "wrong-certificate"),
        },
        schemas.TARGET,
    ),
    Operation(
        "post",
        f"{LINK}/heartbeat",
        "heartbeat",
        "Renew the lease.",
        schemas.BEATEN,
        {**NOWHERE, 409: ("not-claimed",), **ENDED},
        schemas.BEAT,
    ),
    Operation("post", f"{LINK}/end", "end", "End the link.", schemas.OVER, {**NOWHERE, **BAD}, schemas.END),
)


def document() -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {PATH: {"get": _itself()}}
    for operations, proof, codes in ((AGENTS, SIGNATURE, SIGNED), (JOBS, ("secret",), BEARER)):
        for operation in operations:
            paths.setdefault(operation.path, {})[operation.method] = _described(operation, proof, codes)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lightship registry", "version": "1", "description": ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"securitySchemes": _proofs()},
    }


def endpoint() -> Endpoint:
    """Answers with the description, to everybody."""
    whole = JSONResponse(document()).body

    async def describe(_request: Request) -> Response:
        return Response(whole, 200, NO_STORE, "application/json")

    return describe


def _described(operation: Operation, proof: tuple[str, ...], codes: Codes) -> dict[str, Any]:
    failures = {**ANY, **codes, **operation.codes}
    answers = {operation.status: operation.answer, **{at: schemas.error(failures[at]) for at in sorted(failures)}}
    parameters = [_parameter("query", name, schema) for name, schema in operation.query.items()]
    if "{name}" in operation.path:
        parameters.insert(0, _parameter("path", "name", schemas.NAME))
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": [{name: [] for name in proof}],
        "responses": {f"{status}": _response(status, schema) for status, schema in answers.items()},
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        # An empty body counts as an empty object.
        required = bool(operation.body.get("required"))
        described["requestBody"] = {"required": required, "content": _json(operation.body)}
    return described


def _itself() -> dict[str, Any]:
    responses = {"200": _response(200, {"type": "object"})}
    return {"operationId": "openapi", "summary": "This description.", "security": [], "responses": responses}


def _parameter(where: str, name: str, schema: Schema) -> dict[str, Any]:
    return {"in": where, "name": name, "required": True, "schema": schema}


def _response(status: int, schema: Schema) -> dict[str, Any]:
    return {"description": SENTENCES[status], "content": _json(schema)}


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _proofs() -> dict[str, Any]:
    signature = {
        name: {"type": "apiKey", "in": "header", "name": f"X-Lightship-{name.capitalize()}", "description": sentence}
        for name, sentence in HEADERS.items()
    }
    secret = {"type": "http", "scheme": "bearer", "description": "The link's secret, as `create` told it."}
    return {**signature, "secret": secret}
