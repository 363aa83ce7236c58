from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families as families
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from lightship_registry.core import last_heard
from lightship_registry.core.records import Cause
from lightship_registry.links.parts import LinkParts, build_links
from lightship_registry.monitoring import check_report
from lightship_registry.monitoring.check_report import Report
from lightship_registry.monitoring.metrics import Metrics
from lightship_registry.store.reading import Reader
from lightship_registry.store.schema import links
from lightship_registry.sweeper import Sweeper
from unit.lightship_registry.looking import look
from unit.lightship_registry.world import TOKEN_SHA256, Hands, World, both_databases, notebook

WORD = re.compile(r"[a-z][a-z0-9-]{0,31}")
# What a label may hold that is no word: certificates' names, HTTP's codes, limits of buckets.
ALLOWED = {
    "certificate": re.compile(r"(links|proxy|client)\.crt|public"),
    "status": re.compile(r"[1-5]\d\d"),
    "le": re.compile(r"[0-9.]+|\+Inf"),
}
LABELS = {"cluster", "state", "cause", "action", "code", "check", *ALLOWED}


def scrape(world: World) -> dict[str, dict[tuple[str, ...], float]]:
    """All samples: values by label values in the order of the labels' names."""
    answer = look(world, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families(answer.text):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label in LABELS
                assert ALLOWED.get(label, WORD).fullmatch(value), f"free text: {value}"
            key = tuple(sample.labels[label] for label in sorted(sample.labels))
            found.setdefault(sample.name, {})[key] = sample.value
    return found


def watched(world: World) -> LinkParts:
    """Parts that tell the application's metrics."""
    return build_links(world.settings, world.database, world.clock, world.app.dashboard.metrics)


def sweep(world: World) -> None:
    reconciler, metrics = watched(world).reconciler, world.app.dashboard.metrics
    Sweeper(world.database, reconciler, world.tunnels, 90, world.clock, metrics).sweep()


def publish(world: World, made: dict[str, Any], folder: Path) -> None:
    with notebook(world.claim(made).server_context(folder)) as port:
        assert world.job(made, "target", {"port": port}).status_code == 200


@both_databases
def test_live_links_are_counted_when_asked(world: World, tmp_path: Path) -> None:
    publish(world, world.create("alice"), tmp_path)
    world.claim(world.create("alice"))
    ended = world.create("bob")
    world.job(ended, "end")
    for _ in range(2):
        world.create("bob")
    live = scrape(world)["lightship_links"]
    assert live == {
        ("demo", "waiting"): 2,
        ("demo", "starting"): 1,
        ("demo", "ready"): 1,
        ("other", "waiting"): 0,
        ("other", "starting"): 0,
        ("other", "ready"): 0,
    }


def test_all_counts_come_from_one_statement(world: World) -> None:
    world.create()
    counts = Reader(world.engine).live()
    assert {key: count.links for key, count in counts.items()} == {("demo", "waiting"): 1}
    assert counts["demo", "waiting"].oldest == world.clock.now


def test_beginnings_and_endings_are_counted_with_their_cause(world: World) -> None:
    first, second, third = (world.create() for _ in range(3))
    world.job(first, "end", {"cause": "out-of-memory", "reason": "free text of a job"})
    world.job(first, "end", {"cause": "failed"})
    world.agent("POST", f"/v1/links/{second['name']}/cancel", {"user": "alice", "reason": "no time"})
    world.change(third, job_id="7", job_state="queued")
    report = {"job_id": "7", "state": "ended", "cause": "node-failed", "reason": "n1 is down"}
    assert world.agent("POST", "/v1/jobs", {"jobs": [report]}).status_code == 200
    found = scrape(world)
    assert found["lightship_links_created_total"] == {("demo",): 3}
    assert found["lightship_links_ended_total"] == {
        ("out-of-memory", "demo"): 1,
        ("cancelled", "demo"): 1,
        ("node-failed", "demo"): 1,
    }


def test_what_the_sweeper_ends_is_counted_and_when_it_swept(world: World) -> None:
    world.create()
    world.clock.now += 169 * 3600
    assert scrape(world)["lightship_sweeper_last_run_timestamp_seconds"] == {(): 0}
    sweep(world)
    found = scrape(world)
    assert found["lightship_links_ended_total"] == {(Cause.NOT_STARTED.value, "demo"): 1}
    assert found["lightship_sweeper_last_run_timestamp_seconds"] == {(): world.clock.now}


def test_activation_is_from_claim_to_ready_and_counts_once(world: World) -> None:
    parts = watched(world)
    made = world.create()
    world.clock.now += 1000  # in the queue
    world.claim(made)
    link = parts.links.of_secret(made["name"], made["secret"])
    for _ in range(2):
        world.clock.now += 7
        parts.publisher.publish(link, "10.1.2.3:4567")
    found = scrape(world)
    assert found["lightship_activation_seconds_sum"] == {("demo",): 7}
    assert found["lightship_activation_seconds_count"] == {("demo",): 1}


def test_publications_are_timed_when_they_succeed(world: World, tmp_path: Path) -> None:
    made = world.create()
    assert world.job(made, "target", {"port": 4567}).status_code == 409
    publish(world, made, tmp_path)
    assert scrape(world)["lightship_publish_seconds_count"] == {(): 1}


def test_refusals_are_counted_by_code_and_never_by_what_was_sent(world: World) -> None:
    made = world.create()
    world.job({**made, "secret": "0" * 64}, "claim")
    world.job(made, "heartbeat")
    world.job(made, "claim", {"csr": "\u2028 nonsense"})
    world.agent("POST", "/v1/links", {"user": "../../etc", "seconds": 1})
    world.agent("GET", "/v1/ping", cluster="nobody-knows-me")
    world.agent("GET", f"/v1/links/{'x' * 50}?user=alice")
    assert scrape(world)["lightship_refused_total"] == {
        ("claim", "refused"): 1,
        ("beat", "not-claimed"): 1,
        ("claim", "bad-csr"): 1,
        ("create", "bad-request"): 1,
        ("ping", "refused"): 1,
        ("status", "no-such-link"): 1,
    }


def test_requests_are_counted_by_what_they_were(world: World) -> None:
    made = world.create(token_sha256=TOKEN_SHA256)
    world.job(made, "heartbeat")
    world.send("GET", "/v1/whatever/../secret-path")
    world.send("DELETE", "/v1/ping")
    world.send("BREW", "/", headers={"Host": f"{made['name']}.{world.settings.domain}"})
    world.send("GET", "/any/path", headers={"Host": f"{made['name']}.{world.settings.domain}"})
    world.send("GET", "/events", headers={"Host": f"{made['name']}.{world.settings.domain}"})
    world.send("POST", "/cancel", headers={"Host": f"{made['name']}.{world.settings.domain}"})
    found = scrape(world)
    assert found["lightship_http_requests_total"] == {
        ("create", "201"): 1,
        ("beat", "409"): 1,
        ("other", "404"): 1,
        ("other", "405"): 1,
        ("page", "405"): 1,
        ("page", "404"): 1,
        ("events", "404"): 1,
        ("page-cancel", "404"): 1,
    }
    assert found["lightship_http_request_seconds_count"]["page",] == 2
    assert found["lightship_http_request_seconds_bucket"]["create", "+Inf"] == 1


def test_an_agent_is_seen_when_its_cluster_vouches_for_a_request(world: World) -> None:
    world.agent("GET", "/v1/ping", signature="0" * 64)
    assert "lightship_agent_last_seen_timestamp_seconds" not in scrape(world)
    assert world.agent("GET", "/v1/ping").status_code == 200
    world.clock.now += 100
    seen = scrape(world)["lightship_agent_last_seen_timestamp_seconds"]
    assert seen == {("demo",): world.clock.now - 100}


def test_when_an_agent_was_seen_outlives_the_service(world: World) -> None:
    world.agent("GET", "/v1/ping")
    heard = world.clock.now
    world.clock.now += 100
    sweep(world)
    again = Metrics(world.clock, last_heard.path_of(world.settings), world.settings.clusters)
    name = "lightship_agent_last_seen_timestamp_seconds"
    assert again.registry.get_sample_value(name, {"cluster": "demo"}) == heard
    assert again.registry.get_sample_value(name, {"cluster": "other"}) is None
    # A cluster that left the settings is no longer waited for.
    assert Metrics(world.clock, last_heard.path_of(world.settings), ["other"]).seen == {}


def test_a_full_disk_loses_when_an_agent_was_seen_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(last_heard, "write_beside", full)
    world.agent("GET", "/v1/ping")
    sweep(world)
    assert scrape(world)["lightship_sweeper_last_run_timestamp_seconds"] == {(): world.clock.now}


def test_the_clock_of_a_clusters_requests_is_compared_with_ours(world: World) -> None:
    real, world.clock.now = world.clock.now, world.clock.now - 7.0
    signed = world.signed("GET", "/v1/ping", b"")
    world.clock.now = real
    assert world.send("GET", "/v1/ping", headers=signed).status_code == 200
    assert scrape(world)["lightship_agent_clock_offset_seconds"] == {("demo",): -7.0}


def test_what_the_doctor_found_is_a_number_for_each_check(world: World) -> None:
    assert "lightship_check_level" not in scrape(world)
    path = check_report.path_of(world.settings)
    levels = {"disk": 2, "clock": 1, "store": 0}
    check_report.save(path, Report(world.clock.now - 60, levels, world.clock.now + 5 * 86400))
    found = scrape(world)
    assert found["lightship_check_level"] == {("disk",): 2, ("clock",): 1, ("store",): 0}
    assert found["lightship_check_last_run_timestamp_seconds"] == {(): world.clock.now - 60}
    assert found["lightship_certificate_days_left"][("public",)] == 5
    for damaged in ("", "{}", "[1]", '{"time": 1, "levels": {"a": "x"}, "public_certificate_ends": 0}', '{"time": {}}'):
        path.write_text(damaged)
        assert "lightship_check_level" not in scrape(world)


def test_certificates_and_listeners(world: World, caplog: pytest.LogCaptureFixture) -> None:
    found = scrape(world)
    days = found["lightship_certificate_days_left"]
    assert days.keys() == {("links.crt",), ("proxy.crt",), ("client.crt",)}
    assert all(3000 < left < 4000 for left in days.values())
    assert found["lightship_event_listeners"] == {(): 0}
    (world.settings.folders.state_dir / "web_proxy" / "client.crt").unlink()
    found = scrape(world)
    assert "lightship_certificate_days_left" not in found
    assert found["lightship_store_up"] == {(): 1}
    assert "client.crt" in caplog.text


def test_a_store_that_is_away_is_a_number_too(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Reader) -> None:
        raise OperationalError("SELECT", {}, Exception("the server is gone"))

    monkeypatch.setattr(Reader, "live", away)
    found = scrape(world)
    assert found["lightship_store_up"] == {(): 0}
    assert "lightship_links" not in found
    assert "the server is gone" in caplog.text


def test_nobody_is_named(world: World, tmp_path: Path) -> None:
    made = world.create("alice", title="my thesis")
    publish(world, made, tmp_path)
    world.job(made, "end", {"cause": "failed", "reason": "my reason"})
    text = look(world, "/metrics").text
    for private in ("alice", made["name"], made["secret"], "127.0.0.1", "thesis", "my reason"):
        assert private not in text


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(Hands()), Metrics(Hands())
    one.created("demo")
    assert other.registry.get_sample_value("lightship_links_created_total", {"cluster": "demo"}) is None


def test_a_scrape_reads_no_link_that_has_ended(world: World) -> None:
    made = world.create()
    values = [f"'x' || i AS {column.name}" if column.name == "name" else column.name for column in links.columns]
    asked: list[tuple[str, Any]] = []
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    copy = f"{many} INSERT INTO links SELECT {', '.join(values)} FROM n, links WHERE name = ?"  # noqa: S608 - our columns
    with world.engine.begin() as connection:
        connection.exec_driver_sql(copy, (made["name"],))
        connection.exec_driver_sql("UPDATE links SET state = 'ended' WHERE name != ?", (made["name"],))
    record = lambda _connection, _cursor, statement, parameters, *_: asked.append((statement, parameters))  # noqa: E731
    event.listen(world.engine, "before_cursor_execute", record)
    assert scrape(world)["lightship_links"]["demo", "waiting"] == 1
    event.remove(world.engine, "before_cursor_execute", record)
    plans = [
        plan
        for statement, parameters in asked
        if "FROM links" in statement
        for plan in explained(world, statement, parameters)
    ]
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN links")]


def explained(world: World, statement: str, parameters: Any) -> list[str]:
    """How SQLite would answer it, a line for each step."""
    with world.engine.connect() as connection:
        return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
