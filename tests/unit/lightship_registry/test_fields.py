from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightship_registry import fields
from lightship_registry.errors import RegistryError


@given(st.binary())
def test_a_body_is_an_object_or_refused(body: bytes) -> None:
    try:
        data = fields.parse_object(body)
    except RegistryError:
        return
    assert isinstance(data, dict)


def test_empty_body_is_an_empty_object() -> None:
    assert fields.parse_object(b" \n") == {}


@given(st.text())
def test_notes_are_one_printable_line(text: str) -> None:
    note = fields.note({"reason": text}, "reason", 200)
    assert note.isprintable()
    assert len(note) <= 200
    note.encode("utf-8")


def test_notes_lose_what_looks_like_a_secret() -> None:
    note = fields.note({"reason": "see https://a?token=099aa825b1403d58889842ab2c758885 now"}, "reason", 200)
    assert note == "see https://a?token=[hidden] now"


def test_notes_may_hold_half_a_character() -> None:
    data: dict[str, Any] = json.loads('{"reason": "a\\ud800b\\u202e\\u0000c"}')
    assert fields.note(data, "reason", 200) == "a b c"
    assert fields.note({}, "reason", 200) == ""


@pytest.mark.parametrize("value", [1, None, ["x"], {}, True])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(RegistryError, match="reason must be a string"):
        fields.note({"reason": value}, "reason", 200)
    with pytest.raises(RegistryError, match="csr must be a string"):
        fields.string({"csr": value}, "csr")


@pytest.mark.parametrize("user", ["alice", "a.b-c_d", "DOM\\alice", "alice@example.org", "host$", "1000"])
def test_users(user: str) -> None:
    assert fields.user(user) == user


@pytest.mark.parametrize("job", ["17", "17_3", "17[2].server.example.org", "slurm:17"])
def test_jobs(job: str) -> None:
    assert fields.job_id(job) == job


@pytest.mark.parametrize("job", ["", "1 7", "1;rm", "x" * 65, 17, None, "17\n"])
def test_what_is_no_job(job: object) -> None:
    with pytest.raises(RegistryError, match="job_id"):
        fields.job_id(job)
