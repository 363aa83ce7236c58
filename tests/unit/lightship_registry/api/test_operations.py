from __future__ import annotations

import hashlib
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams
from starlette.requests import Request

from lightship_protocol.signing import CLOCK_SECONDS
from lightship_registry.api.operations import _query
from unit.lightship_registry.testbed import DOMAIN, Testbed, build_testbed, make_csr, notebook


def csr() -> str:
    return make_csr(ec.generate_private_key(ec.SECP256R1()))


def test_whole_life(testbed: Testbed, tmp_path: Path) -> None:
    made = testbed.create()
    assert made["url"] == f"https://{made['name']}.{DOMAIN}:8443"
    assert testbed.status(made)["state"] == "waiting"
    assert (
        testbed.agent("POST", f"/v1/links/{made['name']}/job", {"user": "alice", "job_id": "17"}).json()["job_id"]
        == "17"
    )
    identity = testbed.claim(made)
    assert identity.claimed["host"] == f"{made['name']}.{DOMAIN}"
    assert identity.claimed["origin"] == made["url"]
    assert identity.claimed["heartbeat"] == 30
    assert identity.claimed["expires"] == int(testbed.clock()) + 1800
    assert testbed.status(made)["state"] == "starting"
    with notebook(identity.server_context(tmp_path)) as port:
        answer = testbed.job(made, "target", {"port": port, "address": "10.9.9.9"})
        assert (answer.status_code, answer.json()) == (200, {"state": "ready"})
        assert testbed.routes == {made["name"]: f"https://127.0.0.1:{port}\n"}
        assert testbed.job(made, "target", {"port": port}).status_code == 200, "the same again is no change"
    beat = testbed.job(made, "heartbeat")
    assert beat.json() == {"state": "ready", "expires": identity.claimed["expires"]}
    assert testbed.job(made, "end", {"reason": "Jupyter stopped."}).json() == {
        "state": "ended",
        "reason": "Jupyter stopped.",
    }
    assert testbed.routes == {}
    assert testbed.job(made, "end", {"reason": "again"}).json()["reason"] == "Jupyter stopped."
    for action, data in (("heartbeat", {}), ("target", {"port": 4000}), ("claim", {"csr": csr()})):
        answer = testbed.job(made, action, data)
        assert (answer.status_code, answer.json()["code"]) == (410, "ended")


def test_ping(testbed: Testbed) -> None:
    assert testbed.agent("GET", "/v1/ping").json() == {"ok": True, "cluster": "demo", "time": int(testbed.clock())}


def test_cancel_is_idempotent(testbed: Testbed) -> None:
    made = testbed.create()
    path = f"/v1/links/{made['name']}/cancel"
    first = testbed.agent("POST", path, {"user": "alice", "reason": "no longer needed"})
    again = testbed.agent("POST", path, {"user": "alice", "reason": "other"})
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["state"] == "ended"
    assert first.json()["reason"] == "no longer needed"


def test_job_is_set_once(testbed: Testbed) -> None:
    made = testbed.create()
    path = f"/v1/links/{made['name']}/job"
    answers = [testbed.agent("POST", path, {"user": "alice", "job_id": job}) for job in ("17", "17", "18")]
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    testbed.agent("POST", f"/v1/links/{made['name']}/cancel", {"user": "alice"})
    assert testbed.agent("POST", path, {"user": "alice", "job_id": "17"}).status_code == 410


class TestSignature:
    @pytest.mark.parametrize(
        "changes",
        [
            {"signature": "0" * 64},
            {"signature": ""},
            {"signature": "é"},
            {"cluster": "other"},
            {"cluster": "nobody"},
            {"cluster": "../demo"},
            {"time": "1"},
            {"time": "-5"},
            {"time": "٣"},
            {"nonce": secrets.token_hex(16)},
            {"nonce": "short"},
        ],
    )
    def test_any_change_is_refused_alike(self, testbed: Testbed, changes: dict[str, str]) -> None:
        headers = testbed.signed("GET", "/v1/ping", b"")
        changed = {f"X-Lightship-{key.capitalize()}": value.encode() for key, value in changes.items()}
        answer = testbed.send("GET", "/v1/ping", headers={**headers, **changed})
        unsigned = testbed.send("GET", "/v1/ping")
        assert (answer.status_code, answer.content) == (403, unsigned.content)
        assert answer.json()["code"] == "refused"

    def test_other_body_path_or_method_is_refused(self, testbed: Testbed) -> None:
        body = json.dumps({"user": "alice", "seconds": 60}).encode()
        headers = testbed.signed("POST", "/v1/links", body)
        assert testbed.send("POST", "/v1/links", headers=headers, content=body.replace(b"alice", b"mallory")).is_error
        assert testbed.send("POST", "/v1/links?x=1", headers=headers, content=body).status_code == 403
        made = testbed.create()
        other = f"/v1/links/{made['name']}"
        signed = testbed.signed("GET", f"{other}?user=mallory", b"")
        assert testbed.send("GET", f"{other}?user=alice", headers=signed).status_code == 403

    def test_replay_is_refused(self, testbed: Testbed) -> None:
        body = json.dumps({"user": "alice", "seconds": 60}).encode()
        headers = testbed.signed("POST", "/v1/links", body)
        answers = [testbed.send("POST", "/v1/links", headers=headers, content=body) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [201, 403]
        assert answers[1].json()["code"] == "replayed"

    @pytest.mark.parametrize("off", [-CLOCK_SECONDS - 1, CLOCK_SECONDS + 1])
    def test_wrong_clock_is_told_to_the_cluster(self, testbed: Testbed, off: int) -> None:
        headers = testbed.signed("GET", "/v1/ping", b"")
        testbed.clock.now += off
        answer = testbed.send("GET", "/v1/ping", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "clock")
        assert "31 seconds" in answer.json()["error"]

    def test_new_key_counts_at_once_and_no_key_counts_never(self, testbed: Testbed) -> None:
        headers = testbed.signed("GET", "/v1/ping", b"")
        key = testbed.settings.folders.clusters_dir / "demo.key"
        key.write_text(secrets.token_hex(32))
        assert testbed.send("GET", "/v1/ping", headers=headers).status_code == 403
        assert testbed.agent("GET", "/v1/ping").status_code == 200
        headers = testbed.signed("GET", "/v1/ping", b"")
        key.unlink()
        assert testbed.send("GET", "/v1/ping", headers=headers).status_code == 403

    def test_other_users_and_clusters_links_look_unknown(self, testbed: Testbed) -> None:
        made = testbed.create("alice")
        unknown = testbed.agent("GET", "/v1/links/never-was-there?user=alice")
        stranger = testbed.agent("GET", f"/v1/links/{made['name']}?user=bob")
        path = f"/v1/links/{made['name']}?user=alice"
        foreign = testbed.send("GET", path, headers=testbed.signed("GET", path, b"", "other"))
        cancel = testbed.agent("POST", f"/v1/links/{made['name']}/cancel", {"user": "bob"})
        job = testbed.agent("POST", f"/v1/links/{made['name']}/job", {"user": "bob", "job_id": "1"})
        for answer in (unknown, stranger, foreign, cancel, job):
            assert (answer.status_code, answer.content) == (404, unknown.content)
        assert testbed.status(made)["state"] == "waiting"


class TestSecret:
    @pytest.mark.parametrize("action", ["claim", "target", "heartbeat", "end"])
    def test_name_alone_wrong_secret_and_unknown_name_look_alike(self, testbed: Testbed, action: str) -> None:
        made = testbed.create()
        path = f"/v1/links/{made['name']}/{action}"
        wrong = testbed.job({**made, "secret": "0" * 64}, action)
        answers = [
            testbed.send("POST", path),
            testbed.send("POST", path, headers={"Authorization": "Bearer "}),
            testbed.send("POST", path, headers={"Authorization": f"Basic {made['secret']}"}),
            testbed.send("POST", path, headers={"Authorization": f"Bearer {made['secret']}x"}),
            testbed.job({**made, "name": "never-was-there"}, action),
            testbed.job({**made, "name": "NOT-A-NAME"}, action),
            testbed.job(testbed.create("bob") | {"name": made["name"]}, action),
        ]
        assert wrong.status_code == 403
        assert all(
            (each.status_code, each.content, dict(each.headers)) == (403, wrong.content, dict(wrong.headers))
            for each in answers
        )
        assert testbed.status(made)["state"] == "waiting"

    def test_second_claim_is_refused(self, testbed: Testbed) -> None:
        made = testbed.create()
        testbed.claim(made)
        answer = testbed.job(made, "claim", {"csr": csr()})
        assert (answer.status_code, answer.json()["code"]) == (409, "already-claimed")

    def test_one_of_many_claims_at_once_wins(self, testbed: Testbed) -> None:
        made, request = testbed.create(), csr()
        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(lambda _: testbed.job(made, "claim", {"csr": request}).status_code, range(16)))
        assert sorted(codes) == [200] + [409] * 15

    def test_bad_request_for_a_certificate_does_not_spend_the_claim(self, testbed: Testbed) -> None:
        made = testbed.create()
        answer = testbed.job(made, "claim", {"csr": "nonsense"})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-csr")
        testbed.claim(made)

    def test_target_before_claim(self, testbed: Testbed) -> None:
        made = testbed.create()
        assert testbed.job(made, "target", {"port": 4000}).json()["code"] == "not-claimed"
        assert testbed.job(made, "heartbeat").json()["code"] == "not-claimed"

    def test_secrets_are_not_stored(self, testbed: Testbed) -> None:
        made = testbed.create()
        files = [path for path in testbed.settings.folders.state_dir.iterdir() if path.is_file()]
        assert files
        assert all(made["secret"].encode() not in path.read_bytes() for path in files)

    def test_secrets_are_not_logged(self, testbed: Testbed, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
        caplog.set_level("DEBUG")
        made = testbed.create()
        identity = testbed.claim(made)
        with notebook(identity.server_context(tmp_path)) as port:
            testbed.job(made, "target", {"port": port})
        testbed.job({**made, "name": made["secret"]}, "heartbeat")
        testbed.job(made, "end", {"reason": f"token={made['secret']}"})
        assert made["name"] in caplog.text
        ours = [record.getMessage() for record in caplog.records if record.name.startswith("lightship")]
        assert ours
        assert not [line for line in ours if made["secret"] in line]


class TestTarget:
    @pytest.fixture
    def ready(self, testbed: Testbed, tmp_path: Path) -> tuple[Testbed, dict[str, Any], Any]:
        made = testbed.create()
        return testbed, made, testbed.claim(made).server_context(tmp_path)

    @pytest.mark.parametrize("peer", ["10.1.2.3", "", "nonsense", "::1", "fe80::1%eth0"])
    def test_address_outside_the_cluster(self, ready: Any, peer: str) -> None:
        testbed, made, _ = ready
        answer = testbed.job(made, "target", {"port": 4000}, headers={"X-Real-IP": peer})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-address")

    @pytest.mark.parametrize("port", [0, 22, 1023, 65536, -1, 10**30])
    def test_port(self, ready: Any, port: int) -> None:
        testbed, made, _ = ready
        assert testbed.job(made, "target", {"port": port}).status_code == 422

    def test_a_number_that_is_no_number_of_anything_fills_no_audit(
        self, ready: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        testbed, made, _ = ready
        caplog.set_level("INFO", "lightship.audit")
        assert testbed.job(made, "target", {"port": 10**4299}).status_code == 422
        assert 0 < len(caplog.records[-1].getMessage()) < 500

    @pytest.mark.parametrize("port", [True, "4000", 4000.0, None, [4000], {}])
    def test_port_of_another_type(self, ready: Any, port: object) -> None:
        testbed, made, _ = ready
        assert testbed.job(made, "target", {"port": port}).json()["code"] == "bad-request"

    def test_nobody_answers(self, ready: Any) -> None:
        testbed, made, context = ready
        with notebook(context) as port:
            pass
        answer = testbed.job(made, "target", {"port": port})
        assert (answer.status_code, answer.json()["code"]) == (502, "no-answer")
        assert testbed.routes == {}

    def test_other_links_notebook(self, ready: Any, tmp_path: Path) -> None:
        testbed, made, _ = ready
        (tmp_path / "bob").mkdir()
        bobs = testbed.claim(testbed.create("bob")).server_context(tmp_path / "bob")
        with notebook(bobs) as port:
            answer = testbed.job(made, "target", {"port": port})
        assert (answer.status_code, answer.json()["code"]) == (502, "wrong-certificate")
        assert testbed.routes == {}

    def test_second_target_of_a_link(self, ready: Any) -> None:
        testbed, made, context = ready
        with notebook(context) as first, notebook(context) as second:
            assert testbed.job(made, "target", {"port": first}).status_code == 200
            assert testbed.job(made, "target", {"port": second}).json()["code"] == "target-set"

    def test_target_rests_after_its_link(self, ready: Any, tmp_path: Path) -> None:
        testbed, made, context = ready
        with notebook(context) as port:
            testbed.job(made, "target", {"port": port})
        testbed.job(made, "end")
        (tmp_path / "bob").mkdir()
        next_ = testbed.create("bob")
        with notebook(testbed.claim(next_).server_context(tmp_path / "bob"), port=port):
            testbed.clock.now += 74
            answer = testbed.job(next_, "target", {"port": port})
            assert (answer.status_code, answer.json()["code"]) == (409, "target-taken")
            testbed.clock.now += 2
            assert testbed.job(next_, "target", {"port": port}).status_code == 200


class TestInput:
    @pytest.mark.parametrize("body", [b"[]", b"3", b"{", b"\xff", b'"x"', b"[" * 60000, b'{"a":' + b"9" * 5000 + b"}"])
    def test_not_an_object(self, testbed: Testbed, body: bytes) -> None:
        headers = testbed.signed("POST", "/v1/links", body)
        answer = testbed.send("POST", "/v1/links", headers=headers, content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")

    @pytest.mark.parametrize("seconds", [0, -1, 72 * 3600 + 1, "60", True, 60.0, None])
    def test_seconds(self, testbed: Testbed, seconds: object) -> None:
        answer = testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": seconds})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-request")

    def test_too_long_says_how_long_is_allowed(self, testbed: Testbed) -> None:
        answer = testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": 10**9})
        assert "72 hours" in answer.json()["error"]

    @pytest.mark.parametrize("user", ["", "a b", "a/b", "x" * 65, "ü", "a\n", None, 7, ["alice"]])
    def test_user(self, testbed: Testbed, user: object) -> None:
        assert testbed.agent("POST", "/v1/links", {"user": user, "seconds": 60}).status_code == 422

    @pytest.mark.parametrize("query", ["", "?user=", "?user=alice&user=bob"])
    def test_user_in_the_query(self, testbed: Testbed, query: str) -> None:
        assert testbed.agent("GET", f"/v1/links/{testbed.create()['name']}{query}").status_code == 422

    def test_huge_body(self, testbed: Testbed) -> None:
        answer = testbed.send("POST", "/v1/links", content=b"x" * 70_000)
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")

    def test_quota(self, testbed: Testbed) -> None:
        links = [testbed.create() for _ in range(10)]
        answer = testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": 60})
        assert (answer.status_code, answer.json()["code"]) == (429, "quota")
        testbed.create("bob")
        testbed.job(links[0], "end")
        testbed.create()

    def test_too_many_in_one_hour(self, testbed: Testbed) -> None:
        for _ in range(60):
            testbed.job(testbed.create(), "end")
        testbed.clock.now += 3000
        answer = testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": 60})
        assert (answer.status_code, answer.json()["code"]) == (429, "too-many")
        assert "60 links within the last hour" in answer.json()["error"]
        assert "Try again in 10 min." in answer.json()["error"]
        testbed.create("bob")
        testbed.clock.now += 600
        testbed.create()

    def test_a_query_is_counted_once_however_many_keys_it_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def scan(*_: object) -> None:
            raise AssertionError("This reads the whole query again.")

        monkeypatch.setattr(QueryParams, "getlist", scan)
        query = "&".join(["user=alice", "again=1", "again=2", *(f"k{number}=" for number in range(3000))])
        asked = _query(Request({"type": "http", "query_string": query.encode()}))
        assert asked["user"] == "alice"
        assert "again" not in asked
        assert len(asked) == 3001

    @pytest.mark.parametrize("end", ["%0A", "%0a%0a", "%00", "%7F", "%1b[2J", "%C2%85"])
    @pytest.mark.parametrize("path", ["/v1/ping", "/v1/openapi.json", "/v1/links/keen-otter-mural"])
    def test_a_path_with_a_control_character_is_no_address(self, testbed: Testbed, path: str, end: str) -> None:
        for method in ("GET", "POST"):
            answer = testbed.send(method, f"{path}{end}", headers=testbed.signed(method, f"{path}{end}", b""))
            assert (answer.status_code, answer.json()["code"]) == (404, "no-such-address")

    def test_unknown_address_and_method(self, testbed: Testbed) -> None:
        assert testbed.send("GET", "/v1/nothing").json()["code"] == "no-such-address"
        for path in ("/", "/docs", "/openapi.json", "/v1/links/"):
            assert testbed.send("GET", path).status_code == 404
        answer = testbed.send("DELETE", "/v1/links")
        assert (answer.status_code, answer.json()["code"]) == (405, "bad-method")
        assert answer.headers["allow"] == "POST"

    def test_unusable_store_is_a_clear_error(self, testbed: Testbed) -> None:
        made = testbed.create()
        with testbed.engine.connect() as connection:
            connection.exec_driver_sql("DROP TABLE links")
        answer = testbed.job(made, "heartbeat")
        assert (answer.status_code, answer.json()["code"]) == (500, "registry-error")
        assert "sqlite" not in answer.text.lower()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Testbed, dict[str, Any]]:
    testbed = build_testbed(tmp_path_factory.mktemp("registry"))
    return testbed, testbed.create()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(["user", "seconds", "title", "job_id", "reason", "csr", "port", "address"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.dictionaries(keys, anything, max_size=5), action=st.sampled_from(["claim", "target", "heartbeat"]))
def test_no_json_of_a_job_breaks_the_registry(shared: Any, data: Any, action: str) -> None:
    testbed, made = shared
    answer = testbed.job(made, action, content=json.dumps(data).encode())
    assert answer.status_code in {409, 422}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.dictionaries(keys, anything, max_size=5))
def test_no_json_of_an_agent_breaks_the_registry(shared: Any, data: Any) -> None:
    testbed, made = shared
    assert testbed.agent("POST", "/v1/links", data | {"seconds": 0}).status_code == 422
    assert testbed.agent("POST", f"/v1/links/{made['name']}/job", data).status_code in {404, 422}


def test_a_job_says_where_it_runs_and_a_start_what_it_is_for(testbed: Testbed) -> None:
    made = testbed.create(subject="program")
    csr = make_csr(ec.generate_private_key(ec.SECP256R1()))
    told = {"node": "node1\n", "partition": "p" * 99, "folder": "/home/alice/" + "f" * 40}
    assert testbed.job(made, "claim", {"csr": csr, **told}).status_code == 200
    link = testbed.store.find(made["name"])
    assert link
    assert (link.subject, link.noun, link.node, link.partition) == ("program", "program", "node1", "p" * 64)
    # What looks like a secret is none of the pages' business, in a folder's name either.
    assert link.folder == "/home/alice/[hidden]"


def test_a_start_and_a_job_of_an_older_version_say_less(testbed: Testbed) -> None:
    made = testbed.create()
    testbed.claim(made)
    link = testbed.store.find(made["name"])
    assert link
    assert (link.subject, link.noun, link.node, link.partition, link.folder) == ("", "notebook", "", "", "")


@pytest.mark.parametrize("field", ["node", "partition", "folder"])
@pytest.mark.parametrize("value", [7, ["node1"], {}, None])
def test_where_a_job_runs_is_text(testbed: Testbed, field: str, value: object) -> None:
    made = testbed.create()
    csr = make_csr(ec.generate_private_key(ec.SECP256R1()))
    assert testbed.job(made, "claim", {"csr": csr, field: value}).status_code == 422
    assert testbed.status(made)["state"] == "waiting"


@pytest.mark.parametrize("subject", ["desktop", 7, ["program"], None])
def test_a_link_is_for_something_that_is_known(testbed: Testbed, subject: object) -> None:
    asked = {"user": "alice", "seconds": 60, "subject": subject}
    assert testbed.agent("POST", "/v1/links", asked).status_code == 422


class TestForTheWebServer:
    """What it is told of a proof, so that nobody else's requests count on the same allowance."""

    def test_a_true_signature_is_known_and_a_forged_one_is_not(self, testbed: Testbed) -> None:
        assert testbed.agent("GET", "/v1/ping").headers["X-Lightship-Known"] == "3600"
        assert "X-Lightship-Known" not in testbed.agent("GET", "/v1/ping", signature="0" * 64).headers
        assert "X-Lightship-Known" not in testbed.agent("GET", "/v1/ping", time="17").headers
        # Refused for another reason, but by nobody else's fault.
        assert testbed.agent("POST", "/v1/links", {"user": "?"}).headers["X-Lightship-Known"] == "3600"

    def test_a_secret_is_expected_when_it_is_told_and_known_while_its_link_lives(self, testbed: Testbed) -> None:
        answer = testbed.agent("POST", "/v1/links", {"user": "alice", "seconds": 1800})
        made = answer.json()
        digest = hashlib.sha1(made["secret"].encode(), usedforsecurity=False).hexdigest()
        assert answer.headers["X-Lightship-Expect"] == f"{digest} {168 * 3600}"

        testbed.claim(made)
        beat = testbed.job(made, "heartbeat")
        assert (beat.status_code, beat.headers["X-Lightship-Known"]) == (200, "1800")
        assert "X-Lightship-Known" not in testbed.job({**made, "secret": "0" * 64}, "heartbeat").headers
        assert "X-Lightship-Known" not in testbed.job({**made, "name": "one-two-three"}, "heartbeat").headers
        assert testbed.job(made, "end").headers["X-Lightship-Known"] == "0"
        over = testbed.job(made, "heartbeat")
        assert (over.status_code, over.headers["X-Lightship-Known"]) == (410, "0")
