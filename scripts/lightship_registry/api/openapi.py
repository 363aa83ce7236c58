"""The API's description for programs, in OpenAPI 3.1, made from the table of its operations."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPMethod
from typing import Any

import msgspec

from lightship_protocol.signing import CLOCK_SECONDS
from lightship_registry.api.models import Name, one_of
from lightship_registry.api.operation import Operation, Proof

Schema = dict[str, Any]

PATH = "/v1/openapi.json"
ABOUT = (
    "How agents and jobs make, publish and end links. Served on the registry's own host name. The web server in front "
    "adds 429 too-many-requests and, while the registry is not there, 502 and 504 registry-unreachable."
)
SIGNED_TEXT = (
    "The hexadecimal HMAC-SHA256, by the cluster's key, of method, path with query, hexadecimal SHA-256 of the body, "
    "time, nonce and cluster, joined by line feeds."
)
# In every signed request at once.
HEADERS = {
    "cluster": "The cluster's name.",
    "time": f"Unix time in seconds, at most {CLOCK_SECONDS} off.",
    "nonce": "32 hexadecimal digits, other ones in each request.",
    "signature": SIGNED_TEXT,
}
PROOFS = {Proof.SIGNATURE: tuple(HEADERS), Proof.SECRET: ("secret",), Proof.NONE: ()}
SENTENCES = {
    200: "Done.",
    201: "Made.",
    400: "The body is not a JSON object.",
    403: "The request does not prove who sends it.",
    404: "There is no such link or key of this owner, or no such address.",
    408: "The body came too slowly.",
    409: "The link is in another state.",
    410: "The link has ended.",
    413: "The body is too large.",
    422: "A field of the request is wrong.",
    429: "The owner has, or lately made, as many links or keys as are allowed.",
    500: "Only the administrator can mend this.",
    502: "The link's notebook does not answer at the target.",
}


def document(operations: Iterable[Operation]) -> Schema:
    """The whole description."""
    known = list(operations)
    models = dict.fromkeys(model for each in known for model in (each.asked, each.answered))
    schemas, components = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(models, schemas, strict=True))
    paths: dict[str, Schema] = {}
    for each in known:
        paths.setdefault(each.path, {})[each.method.lower()] = _described(each, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Lightship registry", "version": "1", "description": ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _security_schemes()},
    }


def _described(operation: Operation, schema_of: dict[Any, Schema], components: Schema) -> Schema:
    fields = components[operation.asked.__name__]
    parameters = [_parameter("path", "name", msgspec.json.schema(Name))] if "{name}" in operation.path else []
    described: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "security": [{name: [] for name in proofs}] if (proofs := PROOFS[operation.proof]) else [],
        "responses": {
            f"{operation.status}": _response(operation.status, schema_of[operation.answered]),
            **{f"{status}": _response(status, _error(codes)) for status, codes in sorted(operation.failures.items())},
        },
    }
    if operation.method is HTTPMethod.GET:
        parameters += [_parameter("query", name, schema) for name, schema in fields["properties"].items()]
    else:
        # An empty body counts as an empty object.
        required = bool(fields["required"])
        described["requestBody"] = {"required": required, "content": _json(schema_of[operation.asked])}
    if parameters:
        described["parameters"] = parameters
    return described


def _error(codes: Iterable[str]) -> Schema:
    """What every error looks like."""
    return {
        "type": "object",
        "properties": {
            "error": {"type": "string", "description": "One sentence for people.", "minLength": 1},
            "code": {"type": "string", "description": "A word for programs.", **one_of(codes)},
        },
        "required": ["error", "code"],
        "additionalProperties": False,
    }


def _parameter(where: str, name: str, schema: Schema) -> Schema:
    return {"in": where, "name": name, "required": True, "schema": schema}


def _response(status: int, schema: Schema) -> Schema:
    return {"description": SENTENCES[status], "content": _json(schema)}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _security_schemes() -> Schema:
    signature = {
        name: {"type": "apiKey", "in": "header", "name": f"X-Lightship-{name.capitalize()}", "description": sentence}
        for name, sentence in HEADERS.items()
    }
    secret = {"type": "http", "scheme": "bearer", "description": "The link's secret, as `create` told it."}
    return {**signature, "secret": secret}
