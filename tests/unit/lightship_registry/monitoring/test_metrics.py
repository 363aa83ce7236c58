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
from unit.lightship_registry.dashboard_client import ask_dashboard
from unit.lightship_registry.testbed import TOKEN_SHA256, Hands, Testbed, both_databases, notebook

WORD = re.compile(r"[a-z][a-z0-9-]{0,31}")
# What a label may hold that is no word: certificates' names, HTTP's codes, limits of buckets.
ALLOWED = {
    "certificate": re.compile(r"(links|proxy|client)\.crt|public"),
    "status": re.compile(r"[1-5]\d\d"),
    "le": re.compile(r"[0-9.]+|\+Inf"),
    "workstation": re.compile(r"[a-z0-9.-]{1,253}"),
}
LABELS = {"cluster", "state", "cause", "action", "code", "check", "reason", *ALLOWED}


def scrape(testbed: Testbed) -> dict[str, dict[tuple[str, ...], float]]:
    """All samples: values by label values in the order of the labels' names."""
    answer = ask_dashboard(testbed, "/metrics")
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


def watched(testbed: Testbed) -> LinkParts:
    """Parts that tell the application's metrics."""
    return build_links(testbed.settings, testbed.database, testbed.clock, testbed.app.dashboard.metrics)


def sweep(testbed: Testbed) -> None:
    reconciler, metrics = watched(testbed).reconciler, testbed.app.dashboard.metrics
    Sweeper(testbed.database, reconciler, testbed.tunnels, 90, testbed.clock, metrics).sweep()


def publish(testbed: Testbed, made: dict[str, Any], folder: Path) -> None:
    with notebook(testbed.claim(made).server_context(folder)) as port:
        assert testbed.job(made, "target", {"port": port}).status_code == 200


@both_databases
def test_live_links_are_counted_when_asked(testbed: Testbed, tmp_path: Path) -> None:
    publish(testbed, testbed.create("alice"), tmp_path)
    testbed.claim(testbed.create("alice"))
    ended = testbed.create("bob")
    testbed.job(ended, "end")
    for _ in range(2):
        testbed.create("bob")
    live = scrape(testbed)["lightship_links"]
    assert live == {
        ("demo", "waiting"): 2,
        ("demo", "starting"): 1,
        ("demo", "ready"): 1,
        ("other", "waiting"): 0,
        ("other", "starting"): 0,
        ("other", "ready"): 0,
    }


def test_all_counts_come_from_one_statement(testbed: Testbed) -> None:
    testbed.create()
    counts = Reader(testbed.engine).live()
    assert {key: count.links for key, count in counts.items()} == {("demo", "waiting"): 1}
    assert counts["demo", "waiting"].oldest == testbed.clock.now


def test_beginnings_and_endings_are_counted_with_their_cause(testbed: Testbed) -> None:
    first, second, third = (testbed.create() for _ in range(3))
    testbed.job(first, "end", {"cause": "out-of-memory", "reason": "free text of a job"})
    testbed.job(first, "end", {"cause": "failed"})
    testbed.agent("POST", f"/v1/links/{second['name']}/cancel", {"user": "alice", "reason": "no time"})
    testbed.change(third, job_id="7", job_state="queued")
    report = {"job_id": "7", "state": "ended", "cause": "node-failed", "reason": "n1 is down"}
    assert testbed.agent("POST", "/v1/jobs", {"jobs": [report]}).status_code == 200
    found = scrape(testbed)
    assert found["lightship_links_created_total"] == {("demo",): 3}
    assert found["lightship_links_ended_total"] == {
        ("out-of-memory", "demo"): 1,
        ("cancelled", "demo"): 1,
        ("node-failed", "demo"): 1,
    }


def test_what_the_sweeper_ends_is_counted_and_when_it_swept(testbed: Testbed) -> None:
    testbed.create()
    testbed.clock.now += 169 * 3600
    assert scrape(testbed)["lightship_sweeper_last_run_timestamp_seconds"] == {(): 0}
    sweep(testbed)
    found = scrape(testbed)
    assert found["lightship_links_ended_total"] == {(Cause.NOT_STARTED.value, "demo"): 1}
    assert found["lightship_sweeper_last_run_timestamp_seconds"] == {(): testbed.clock.now}


def test_activation_is_from_claim_to_ready_and_counts_once(testbed: Testbed) -> None:
    parts = watched(testbed)
    made = testbed.create()
    testbed.clock.now += 1000  # in the queue
    testbed.claim(made)
    link = parts.links.of_secret(made["name"], made["secret"])
    for _ in range(2):
        testbed.clock.now += 7
        parts.publisher.publish(link, "10.1.2.3:4567")
    found = scrape(testbed)
    assert found["lightship_activation_seconds_sum"] == {("demo",): 7}
    assert found["lightship_activation_seconds_count"] == {("demo",): 1}


def test_publications_are_timed_when_they_succeed(testbed: Testbed, tmp_path: Path) -> None:
    made = testbed.create()
    assert testbed.job(made, "target", {"port": 4567}).status_code == 409
    publish(testbed, made, tmp_path)
    assert scrape(testbed)["lightship_publish_seconds_count"] == {(): 1}


def test_refusals_are_counted_by_code_and_never_by_what_was_sent(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.job({**made, "secret": "0" * 64}, "claim")
    testbed.job(made, "heartbeat")
    testbed.job(made, "claim", {"csr": "\u2028 nonsense"})
    testbed.agent("POST", "/v1/links", {"user": "../../etc", "seconds": 1})
    testbed.agent("GET", "/v1/ping", cluster="nobody-knows-me")
    testbed.agent("GET", f"/v1/links/{'x' * 50}?user=alice")
    assert scrape(testbed)["lightship_refused_total"] == {
        ("claim", "refused"): 1,
        ("beat", "not-claimed"): 1,
        ("claim", "bad-csr"): 1,
        ("create", "bad-request"): 1,
        ("ping", "refused"): 1,
        ("status", "no-such-link"): 1,
    }


def test_requests_are_counted_by_what_they_were(testbed: Testbed) -> None:
    made = testbed.create(token_sha256=TOKEN_SHA256)
    testbed.job(made, "heartbeat")
    testbed.send("GET", "/v1/whatever/../secret-path")
    testbed.send("DELETE", "/v1/ping")
    testbed.send("BREW", "/", headers={"Host": f"{made['name']}.{testbed.settings.domain}"})
    testbed.send("GET", "/any/path", headers={"Host": f"{made['name']}.{testbed.settings.domain}"})
    testbed.send("GET", "/events", headers={"Host": f"{made['name']}.{testbed.settings.domain}"})
    testbed.send("POST", "/cancel", headers={"Host": f"{made['name']}.{testbed.settings.domain}"})
    found = scrape(testbed)
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


def test_an_agent_is_seen_when_its_cluster_vouches_for_a_request(testbed: Testbed) -> None:
    testbed.agent("GET", "/v1/ping", signature="0" * 64)
    assert "lightship_agent_last_seen_timestamp_seconds" not in scrape(testbed)
    assert testbed.agent("GET", "/v1/ping").status_code == 200
    testbed.clock.now += 100
    seen = scrape(testbed)["lightship_agent_last_seen_timestamp_seconds"]
    assert seen == {("demo",): testbed.clock.now - 100}


def test_when_an_agent_was_seen_outlives_the_service(testbed: Testbed) -> None:
    testbed.agent("GET", "/v1/ping")
    heard = testbed.clock.now
    testbed.clock.now += 100
    sweep(testbed)
    again = Metrics(testbed.clock, last_heard.path_of(testbed.settings), testbed.settings.clusters)
    name = "lightship_agent_last_seen_timestamp_seconds"
    assert again.registry.get_sample_value(name, {"cluster": "demo"}) == heard
    assert again.registry.get_sample_value(name, {"cluster": "other"}) is None
    # A cluster that left the settings is no longer waited for.
    assert Metrics(testbed.clock, last_heard.path_of(testbed.settings), ["other"]).seen == {}


def test_a_full_disk_loses_when_an_agent_was_seen_and_nothing_else(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(last_heard, "write_beside", full)
    testbed.agent("GET", "/v1/ping")
    sweep(testbed)
    assert scrape(testbed)["lightship_sweeper_last_run_timestamp_seconds"] == {(): testbed.clock.now}


def test_the_clock_of_a_clusters_requests_is_compared_with_ours(testbed: Testbed) -> None:
    real, testbed.clock.now = testbed.clock.now, testbed.clock.now - 7.0
    signed = testbed.signed("GET", "/v1/ping", b"")
    testbed.clock.now = real
    assert testbed.send("GET", "/v1/ping", headers=signed).status_code == 200
    assert scrape(testbed)["lightship_agent_clock_offset_seconds"] == {("demo",): -7.0}


def test_what_the_doctor_found_is_a_number_for_each_check(testbed: Testbed) -> None:
    assert "lightship_check_level" not in scrape(testbed)
    path = check_report.path_of(testbed.settings)
    levels = {"disk": 2, "clock": 1, "store": 0}
    check_report.save(path, Report(testbed.clock.now - 60, levels, testbed.clock.now + 5 * 86400))
    found = scrape(testbed)
    assert found["lightship_check_level"] == {("disk",): 2, ("clock",): 1, ("store",): 0}
    assert found["lightship_check_last_run_timestamp_seconds"] == {(): testbed.clock.now - 60}
    assert found["lightship_certificate_days_left"][("public",)] == 5
    assert found["lightship_certificate_renewal_failed"] == {("none",): 0}
    check_report.save(path, Report(testbed.clock.now, {"renewal": 1}, 0.0, "rate-limited"))
    assert scrape(testbed)["lightship_certificate_renewal_failed"] == {("rate-limited",): 1}
    check_report.save(path, Report(testbed.clock.now, {"renewal": 1}, 0.0, "no word: a text"))
    assert scrape(testbed)["lightship_certificate_renewal_failed"] == {("none",): 0}
    theirs = {"ws1.example.org": "rate-limited", "no name": "clock", "ws2.example.org": "no word: a text"}
    check_report.save(path, Report(testbed.clock.now, {"workstations": 1}, workstation_failures=theirs))
    assert scrape(testbed)["lightship_workstation_renewal_failed"] == {("rate-limited", "ws1.example.org"): 1}
    for damaged in ("", "{}", "[1]", '{"time": 1, "levels": {"a": "x"}, "public_certificate_ends": 0}', '{"time": {}}'):
        path.write_text(damaged)
        assert "lightship_check_level" not in scrape(testbed)


def test_certificates_and_listeners(testbed: Testbed, caplog: pytest.LogCaptureFixture) -> None:
    found = scrape(testbed)
    days = found["lightship_certificate_days_left"]
    assert days.keys() == {("links.crt",), ("proxy.crt",), ("client.crt",)}
    assert all(3000 < left < 4000 for left in days.values())
    assert found["lightship_event_listeners"] == {(): 0}
    (testbed.settings.folders.state_dir / "web_proxy" / "client.crt").unlink()
    found = scrape(testbed)
    assert "lightship_certificate_days_left" not in found
    assert found["lightship_store_up"] == {(): 1}
    assert "client.crt" in caplog.text


def test_a_store_that_is_away_is_a_number_too(
    testbed: Testbed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(_: Reader) -> None:
        raise OperationalError("SELECT", {}, Exception("the server is gone"))

    monkeypatch.setattr(Reader, "live", away)
    found = scrape(testbed)
    assert found["lightship_store_up"] == {(): 0}
    assert "lightship_links" not in found
    assert "the server is gone" in caplog.text


def test_nobody_is_named(testbed: Testbed, tmp_path: Path) -> None:
    made = testbed.create("alice", title="my thesis")
    publish(testbed, made, tmp_path)
    testbed.job(made, "end", {"cause": "failed", "reason": "my reason"})
    text = ask_dashboard(testbed, "/metrics").text
    for private in ("alice", made["name"], made["secret"], "127.0.0.1", "thesis", "my reason"):
        assert private not in text


def test_two_services_in_one_process_count_apart() -> None:
    one, other = Metrics(Hands()), Metrics(Hands())
    one.created("demo")
    assert other.registry.get_sample_value("lightship_links_created_total", {"cluster": "demo"}) is None


def test_a_scrape_reads_no_link_that_has_ended(testbed: Testbed) -> None:
    made = testbed.create()
    values = [f"'x' || i AS {column.name}" if column.name == "name" else column.name for column in links.columns]
    asked: list[tuple[str, Any]] = []
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    copy = f"{many} INSERT INTO links SELECT {', '.join(values)} FROM n, links WHERE name = ?"  # noqa: S608 - our columns
    with testbed.engine.begin() as connection:
        connection.exec_driver_sql(copy, (made["name"],))
        connection.exec_driver_sql("UPDATE links SET state = 'ended' WHERE name != ?", (made["name"],))
    record = lambda _connection, _cursor, statement, parameters, *_: asked.append((statement, parameters))  # noqa: E731
    event.listen(testbed.engine, "before_cursor_execute", record)
    assert scrape(testbed)["lightship_links"]["demo", "waiting"] == 1
    event.remove(testbed.engine, "before_cursor_execute", record)
    plans = [
        plan
        for statement, parameters in asked
        if "FROM links" in statement
        for plan in explained(testbed, statement, parameters)
    ]
    assert plans
    assert not [plan for plan in plans if plan.startswith("SCAN links")]


def explained(testbed: Testbed, statement: str, parameters: Any) -> list[str]:
    """How SQLite would answer it, a line for each step."""
    with testbed.engine.connect() as connection:
        return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
