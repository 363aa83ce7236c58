"""Reads the fields of JSON requests: each has one type and one form, and an error sentence for anything else."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

from lightship_protocol import forms, limits
from lightship_registry.core.errors import RegistryError, invalid
from lightship_registry.core.records import Cause

JOBS_CAUSES = frozenset(Cause) - {Cause.REVOKED, Cause.SILENT, Cause.NOT_STARTED}
# People paste URLs into reasons and titles: nothing that may be a secret may reach the store or the journal.
SECRET_LIKE = re.compile(r"[0-9A-Fa-f]{24,}")
# Larger ones are not exact in every program that reads JSON, and Python's have up to 4,300 digits, all for the audit.
LARGEST = 2**53 - 1


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse the body as a JSON object; an empty body is an empty object."""
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
    """A whole number; true, 1.0, "1" and what is too large for JSON are not."""
    value = data.get(key)
    if type(value) is not int or abs(value) > LARGEST:
        raise invalid(f"{key} must be a whole number.")
    return value


def string(data: dict[str, Any], key: str) -> str:
    """A required string."""
    value = data.get(key)
    if not isinstance(value, str):
        raise invalid(f"{key} must be a string.")
    return value


def user(data: dict[str, Any], key: str = "user") -> str:
    """The name of a Unix user."""
    value = data.get(key)
    if not isinstance(value, str) or not forms.USER.fullmatch(value):
        raise invalid(f"{key} must be the name of a Unix user: 1 to 64 letters, digits and _.@+-$.")
    return value


def job_id(data: dict[str, Any], key: str = "job_id") -> str:
    """A scheduler's name for a job."""
    value = data.get(key)
    if not isinstance(value, str) or not forms.JOB_ID.fullmatch(value):
        raise invalid(f"{key} must be 1 to 64 letters, digits and ._-, and begin with a letter or a digit.")
    return value


def fingerprint(data: dict[str, Any], key: str = "fingerprint") -> str:
    """An SSH key's fingerprint, as `ssh-keygen -l` prints it."""
    value = data.get(key)
    if not isinstance(value, str) or not forms.FINGERPRINT.fullmatch(value):
        raise invalid(f"{key} must be SHA256: and 43 characters, as `ssh-keygen -l` prints it.")
    return value


def digest(data: dict[str, Any], key: str) -> str:
    """An optional SHA-256 in hexadecimal digits."""
    value = data.get(key, "")
    if value != "" and not (isinstance(value, str) and forms.SHA256.fullmatch(value)):
        raise invalid(f"{key} must be 64 hexadecimal digits in lower case.")
    return str(value)


def word(data: dict[str, Any], key: str, words: Collection[str]) -> str:
    """One of these words, or nothing."""
    value = data.get(key, "")
    if value != "" and not (isinstance(value, str) and value in words):
        raise invalid(f"{key} must be one of {', '.join(words)}.")
    return str(value)


def cause(data: dict[str, Any], key: str = "cause") -> Cause:
    """Why a job ends its link; the registry's own causes are not a job's to give."""
    value = data.get(key, Cause.ENDED)
    if not isinstance(value, str) or value not in JOBS_CAUSES:
        raise invalid(f"{key} must be one of {', '.join(sorted(JOBS_CAUSES))}.")
    return Cause(value)


def lines(data: dict[str, Any], key: str, longest: int) -> str:
    """The optional last lines of a log: printable, without anything that looks like a secret."""
    value = data.get(key, "")
    if not isinstance(value, str):
        raise invalid(f"{key} must be a string.")
    plain = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in value)
    kept = SECRET_LIKE.sub("[hidden]", plain).strip("\n").split("\n")[-limits.TAIL_LINES :]
    return "\n".join(line.rstrip() for line in kept)[-longest:]


def note(data: dict[str, Any], key: str, longest: int) -> str:
    """Optional text for people: printable, cut to size, without anything that looks like a secret."""
    value = data.get(key, "")
    if not isinstance(value, str):
        raise invalid(f"{key} must be a string.")
    plain = "".join(letter if letter.isprintable() else " " for letter in value)
    return SECRET_LIKE.sub("[hidden]", " ".join(plain.split()))[:longest]
