from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from unit.lightship_registry.world import DOMAIN, World, notebook


def page(world: World, host: str, method: str = "GET", path: str = "/") -> httpx.Response:
    return world.send(method, path, headers={"Host": host})


def of(world: World, made: dict[str, Any], **options: str) -> httpx.Response:
    return page(world, f"{made['name']}.{DOMAIN}:8443", **options)


def test_waiting_starting_ready_ended(world: World, tmp_path: Path) -> None:
    made = world.create()
    answers = [of(world, made)]
    identity = world.claim(made)
    answers.append(of(world, made))
    with notebook(identity.server_context(tmp_path)) as port:
        world.job(made, "target", {"port": port})
    answers.append(of(world, made))
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
        assert '<meta http-equiv="refresh" content="3">' in answer.text, "without a URL the query stays"
        assert made["name"] in answer.text
        assert answer.text.count('aria-current="step"') == 1
    assert len({answer.text for answer in answers}) == 3
    world.job(made, "end")
    assert of(world, made).status_code == 404


def test_all_dead_names_look_alike(world: World) -> None:
    made = world.create()
    world.job(made, "end", {"reason": "told to nobody"})
    ended = of(world, made)
    assert ended.status_code == 404
    hosts = ["never-was-there", "x", "registry.registry", "a.b", "UPPER-CASE-NAME", "..", "%00"]
    for host in (*(f"{label}.{DOMAIN}" for label in hosts), DOMAIN, "other.example.org", "[::1]:80", made["name"]):
        answer = page(world, host, path="/lab?token=x")
        assert (answer.status_code, answer.content, dict(answer.headers)) == (404, ended.content, dict(ended.headers))


def test_host_is_read_kindly(world: World) -> None:
    made = world.create()
    assert page(world, f"{made['name'].upper()}.{DOMAIN}.").status_code == 503


def test_only_reading(world: World) -> None:
    made = world.create()
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        known, unknown = of(world, made, method=method), page(world, f"no-such-name.{DOMAIN}", method)
        assert (known.status_code, known.content) == (405, unknown.content)
        assert known.headers["allow"] == "GET, HEAD"
    assert of(world, made, method="HEAD").status_code == 503


def test_the_api_is_on_its_own_host_only(world: World) -> None:
    made = world.create()
    for host in (f"{made['name']}.{DOMAIN}", DOMAIN):
        assert "text/html" in page(world, host, path="/v1/ping").headers["content-type"]


def test_headers_and_style(world: World) -> None:
    answer = of(world, world.create())
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "<script" not in answer.text
    assert "style=" not in answer.text


def test_unusable_store(world: World) -> None:
    made = world.create()
    with world.engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE links")
    answer = of(world, made)
    assert answer.status_code == 500
    assert "not your notebook" in answer.text


@pytest.mark.parametrize("host", ["", ":", ".", "a" * 5000])
def test_odd_hosts(world: World, host: str) -> None:
    assert page(world, host).status_code == 404
