from __future__ import annotations

import json

import httpx
import pytest
from starlette.requests import Request

from lightship_registry.api.calls import Call, refusal
from lightship_registry.api.hosts import registry_error
from unit.lightship_registry.testbed import DOMAIN, Testbed


def test_the_journal_names_only_what_can_be_a_link() -> None:
    request = Request({"type": "http", "headers": []})
    assert Call(request, "one-two-three", None).event("claim", "refused", "x").link == "one-two-three"
    assert Call(request, "0123456789abcdef", None).event("claim", "refused", "x").link == ""


def test_clients_learn_nothing_of_the_detail() -> None:
    error = registry_error()
    error.detail = "private"
    assert b"private" not in bytes(refusal(error).body)


def test_two_addresses_are_none(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.claim(made)
    headers = httpx.Headers([("Host", f"registry.{DOMAIN}"), ("X-Real-IP", "127.0.0.1"), ("X-Real-IP", "10.0.0.1")])
    headers["Authorization"] = f"Bearer {made['secret']}"
    answer = testbed.send_raw("POST", f"/v1/links/{made['name']}/target", headers, json.dumps({"port": 4000}).encode())
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-address")


def test_refusals_are_recorded_with_their_reason(testbed: Testbed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "lightship")
    made = testbed.create()
    testbed.job({**made, "secret": "0" * 64}, "claim")
    line = json.loads(caplog.messages[-1])
    assert (line["action"], line["result"], line["reason"], line["link"], line["address"]) == (
        "claim",
        "refused",
        "wrong secret",
        made["name"],
        "127.0.0.1",
    )
