from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightship_cluster.environments.interfaces import A_NOTEBOOK, A_PROGRAM
from lightship_protocol import limits, states
from lightship_registry.core import fields
from lightship_registry.core.errors import RegistryError
from lightship_registry.core.records import Cause


def test_a_link_leads_to_what_users_call_so() -> None:
    assert (A_NOTEBOOK.noun, A_PROGRAM.noun) == states.SUBJECTS


@given(st.binary())
def test_a_body_is_an_object_or_refused(body: bytes) -> None:
    try:
        data = fields.parse_object(body)
    except RegistryError:
        return
    assert isinstance(data, dict)


@pytest.mark.parametrize("number", [0, -1, 2**53 - 1, 1 - 2**53])
def test_whole_numbers(number: int) -> None:
    assert fields.whole_number({"port": number}, "port") == number


@pytest.mark.parametrize(
    "value", [None, True, 1.0, "1", [], 2**53, -(2**53), 10**4299, -(10**4299)], ids=lambda value: repr(value)[:20]
)
def test_what_is_no_whole_number_or_too_large_for_one(value: object) -> None:
    with pytest.raises(RegistryError, match=r"\Aport must be a whole number\.\Z"):
        fields.whole_number({"port": value}, "port")


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
    assert fields.user({"user": user}) == user


@pytest.mark.parametrize("job", ["17", "17_3", "0.server", "17.pbslogin", "here.login1.17.99", "x" * 64])
def test_jobs(job: str) -> None:
    assert fields.job_id({"job_id": job}) == job


# No start of ours is an array of jobs, and the agent never asked for one.
@pytest.mark.parametrize(
    "job", ["", "1 7", "1;rm", "x" * 65, 17, None, "17\n", "17[2].server.example.org", "slurm:17", ".17", "-17"]
)
def test_what_is_no_job(job: object) -> None:
    with pytest.raises(RegistryError, match="job_id"):
        fields.job_id({"job_id": job})


def test_the_last_lines_of_a_log_keep_their_breaks_and_lose_secrets_and_colours() -> None:
    text = "\n".join(f"line {number}" for number in range(30))
    text += "\n\x1b[31mtoken 099aa825b1403d58889842ab2c758885  \n\n"
    kept = fields.lines({"tail": text}, "tail", 4000).split("\n")
    assert len(kept) == limits.TAIL_LINES
    assert kept[-2:] == ["line 29", " [31mtoken [hidden]"]
    assert fields.lines({"tail": "x" * 5000}, "tail", 4000) == "x" * 4000
    assert fields.lines({}, "tail", 4000) == ""


def test_a_cause_is_a_word_that_a_job_may_say() -> None:
    assert fields.cause({}) is Cause.ENDED
    assert fields.cause({"cause": "out-of-memory"}) is Cause.OUT_OF_MEMORY
    wrong: tuple[object, ...] = ("revoked", "silent", "whatever", 5, None, [])
    for value in wrong:
        with pytest.raises(RegistryError, match="cause must be one of"):
            fields.cause({"cause": value})


def test_a_digest_is_optional_and_exact() -> None:
    assert fields.digest({}, "token_sha256") == ""
    assert fields.digest({"token_sha256": "a1" * 32}, "token_sha256") == "a1" * 32
    wrong: tuple[object, ...] = ("A1" * 32, "a1" * 31, 5, None, "a1" * 32 + "\n")
    for value in wrong:
        with pytest.raises(RegistryError, match="64 hexadecimal digits"):
            fields.digest({"token_sha256": value}, "token_sha256")
