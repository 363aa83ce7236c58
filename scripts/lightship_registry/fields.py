"""Fields of JSON requests: each has one type, one form and a sentence for everything else."""

from __future__ import annotations

import json
import re
from typing import Any

from lightship_registry.errors import RegistryError, invalid

USER = re.compile(r"[A-Za-z0-9_.@+\\$-]{1,64}")
JOB_ID = re.compile(r"[A-Za-z0-9_.:\[\]-]{1,64}")
# People paste URLs into reasons and titles; nothing that long and that regular may reach the store or the journal.
SECRET_LIKE = re.compile(r"[0-9A-Fa-f]{24,}")
LONGEST_REASON = 200
LONGEST_TITLE = 100


def parse_object(body: bytes) -> dict[str, Any]:
    """The body's JSON object; an empty body is an empty one."""
    if not body.strip():
        return {}
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RegistryError("The body is not valid JSON.", "bad-request", 400) from error
    if not isinstance(data, dict):
        raise RegistryError("The body must be a JSON object.", "bad-request", 400)
    return data


def whole_number(data: dict[str, Any], key: str) -> int:
    """A whole number; true, 1.0 and "1" are none."""
    value = data.get(key)
    if type(value) is not int:
        raise invalid(f"{key} must be a whole number.")
    return value


def string(data: dict[str, Any], key: str) -> str:
    """A string that must be there."""
    value = data.get(key)
    if not isinstance(value, str):
        raise invalid(f"{key} must be a string.")
    return value


def user(value: object) -> str:
    """The name of a Unix user."""
    if not isinstance(value, str) or not USER.fullmatch(value):
        raise invalid("user must be the name of a Unix user: 1 to 64 letters, digits and _.@+-$.")
    return value


def job_id(value: object) -> str:
    """A scheduler's name for a job."""
    if not isinstance(value, str) or not JOB_ID.fullmatch(value):
        raise invalid("job_id must be 1 to 64 letters, digits and _.:[]-.")
    return value


def note(data: dict[str, Any], key: str, longest: int) -> str:
    """Free text for people: optional, printable, cut to size, without anything that looks like a secret."""
    value = data.get(key, "")
    if not isinstance(value, str):
        raise invalid(f"{key} must be a string.")
    plain = "".join(letter if letter.isprintable() else " " for letter in value)
    return SECRET_LIKE.sub("[hidden]", " ".join(plain.split()))[:longest]
