"""Clients of Satellite's, unmodified: curl on the login node and in the job, a notebook in the clear at its link."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from support import bed

FQDN = f"{bed.DOMAIN}:{bed.PORT}"
MANAGE, BARE = f"https://manage.{FQDN}", f"https://{FQDN}"
# What a site sets up for all its users: its own authority. curl believes that every *.localhost is the machine itself.
CURLRC = 'cacert = "/shared/lightship/etc/registry-ca.pem"\nconnect-to = "::PROXY:"\nsilent\n'
CURL = "CURL_HOME=~/satellite"

# What Galyleo does on the login node, in its words for curl and awk; the job below is what it writes.
LAUNCH = f"""
set -eu; export {CURL} REVERSE_PROXY_FQDN={FQDN} JUPYTER_TOKEN={{token}}
response="$(curl -s -w %{{{{http_code}}}} https://manage.$REVERSE_PROXY_FQDN/getlink.cgi -o -)"
test "$(echo $response | awk '{{{{print $NF}}}}')" = 200
export REVERSE_PROXY_TOKEN="$(echo $response | awk 'NF>1{{{{printf $((NF-1))}}}}' -)"
job="$(sbatch ~/satellite/job.sh | grep -o '[[:digit:]]*')"
curl -s https://manage.$REVERSE_PROXY_FQDN/linktoken.cgi?token=$REVERSE_PROXY_TOKEN\\&jobid=$job
echo "$job https://$REVERSE_PROXY_TOKEN.$REVERSE_PROXY_FQDN?token=$JUPYTER_TOKEN"
"""
JOB = f"""#!/bin/bash
#SBATCH --time=10 --nodelist=node1 --export=ALL --output=/home/alice/satellite/job.log
export {CURL}
port="$(python3 -c 'import socket; s = socket.create_server(("", 0)); print(s.getsockname()[1])')"
jupyter notebook --ip="$(hostname -s)" --port="$port" --IdentityProvider.token="$JUPYTER_TOKEN" \\
  --ServerApp.allow_remote_access=True --ServerApp.allow_origin='*' --KernelManager.transport=ipc --no-browser &
curl "https://manage.$REVERSE_PROXY_FQDN/redeemtoken.cgi?token=$REVERSE_PROXY_TOKEN&port=$port"
wait
curl "https://manage.$REVERSE_PROXY_FQDN/destroytoken.cgi?token=$REVERSE_PROXY_TOKEN"
"""


@dataclass(frozen=True)
class Launched:
    """What the old client printed, and who runs it."""

    name: str
    token: str
    job: str
    output: str

    @property
    def notebook(self) -> bed.Notebook:
        """As the helpers of the other tests take it."""
        origin = f"https://{self.name}.{FQDN}"
        return bed.Notebook(self.name, origin, self.token, self.job, self.output)


def write(path: str, text: str) -> None:
    bed.run("login", f"mkdir -p ~/satellite && cat > {path}", user="alice", text=text)


def ask(host: str, path: str, user: str = "alice", more: str = "") -> str:
    """What curl prints on a host."""
    return bed.run(host, f"{CURL} curl {more} {shlex.quote(MANAGE + path)}", user=user).stdout


def state(name: str) -> str:
    return ask("login", f"/tokenjobstate.cgi?token={name}.{FQDN}")


def audited(name: str) -> list[str]:
    lines = bed.run("proxy", f"grep -F {name} /var/log/lightship/audit.jsonl").stdout.splitlines()
    return [json.loads(line)["action"] for line in lines]


@pytest.fixture(scope="module", autouse=True)
def _curlrc() -> Iterator[None]:
    proxy = bed.run("login", f"getent hosts registry.{bed.DOMAIN}").stdout.split()[0]
    write("~/satellite/.curlrc", CURLRC.replace("PROXY", proxy))
    write("~/satellite/job.sh", JOB)
    yield
    bed.run("login", "rm -r ~/satellite", user="alice")


@pytest.fixture(scope="module")
def launched() -> Iterator[Launched]:
    token = secrets.token_hex(16)
    done = bed.run("login", LAUNCH.format(token=token), user="alice").stdout
    found = re.search(rf"^(\d+) https://([a-z-]+)\.{re.escape(FQDN)}\?token={token}$", done, re.MULTILINE)
    assert found, done
    made = Launched(found[2], token, found[1], done)
    yield made
    bed.run("login", f"scancel {made.job}", check=False)
    ask("node1", f"/destroytoken.cgi?token={made.name}")


def test_a_notebook_started_by_the_old_client_opens_at_its_link(launched: Launched) -> None:
    assert "Success! Token linked to jobid." in launched.output
    bed.eventually(lambda: state(launched.name) == "PR", "the notebook never became reachable")
    with bed.client(f"{launched.name}.{bed.DOMAIN}") as browser:
        assert browser.get("/api/status").status_code == httpx.codes.FORBIDDEN
        assert browser.get("/api/status", params={"token": launched.token}).json()["kernels"] == 0
    assert bed.run("proxy", f"cat /run/lightship/routes/{launched.name}").stdout.startswith("http://10.89.77.31:")
    assert "Success!\n" in bed.run("login", "cat ~/satellite/job.log", user="alice").stdout


@pytest.mark.parametrize("size", [100, 3_000_000], ids=["small", "large"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_whole_files_are_uploaded_and_come_back(launched: Launched, size: int, chunked: bool) -> None:
    text = secrets.token_hex(size // 2)
    body = json.dumps({"type": "file", "format": "text", "content": text}).encode()
    headers = {"Authorization": f"token {launched.token}", "Content-Type": "application/json"}
    path = f"/api/contents/satellite/upload-{size}-{chunked}.txt"
    with bed.client(f"{launched.name}.{bed.DOMAIN}", headers=headers) as browser:
        sent = browser.put(path, content=iter([body[:70], body[70:]]) if chunked else body)
        assert sent.status_code in (httpx.codes.OK, httpx.codes.CREATED), sent.text
        assert browser.get(path).json()["content"] == text
        assert browser.delete(path).status_code == httpx.codes.NO_CONTENT


def test_neighbours_pages_are_refused_though_the_notebook_lets_everybody_in(launched: Launched) -> None:
    origin = f"https://one-two-three.{FQDN}"
    with bed.client(f"{launched.name}.{bed.DOMAIN}", headers={"Origin": origin}) as browser:
        assert browser.get("/api", params={"token": launched.token}).status_code == httpx.codes.FORBIDDEN


def test_its_links_have_no_page_of_their_own_while_they_run(launched: Launched) -> None:
    with bed.client(f"{launched.name}.{bed.DOMAIN}") as browser:
        own = browser.get("/.lightship/", params={"token": launched.token})
    with bed.client(f"nobody-made-this.{bed.DOMAIN}") as browser:
        unknown = browser.get("/.lightship/")
    assert own.status_code == unknown.status_code == httpx.codes.NOT_FOUND
    assert own.content == unknown.content


def test_an_administrator_sees_what_kind_of_link_it_is(launched: Launched) -> None:
    shown = json.loads(bed.run("proxy", f"lightship show {launched.name} --json").stdout)
    assert (shown["api"], shown["job_id"], shown["state"]) == ("satellite", launched.job, "ready")
    assert re.search(rf"{launched.name}\s+ready\s+satellite:10\.89\.77\.20", bed.run("proxy", "lightship links").stdout)
    told = audited(launched.name)
    assert told[0] == "satellite-getlink"
    assert {"satellite-linktoken", "satellite-redeemtoken", "satellite-publish"} == set(told[1:4])


def test_job_states_come_from_whoever_knows_the_queue(launched: Launched) -> None:
    name = ask("login", "/getlink.cgi").split()[-1]
    assert state(name) == "PE"
    assert ask("login", f"/linktoken.cgi?token={name}&jobid=4711") == "Success! Token linked to jobid.\n"
    # As Satellite's own example does, on the domain itself too.
    for word, expected, where in (("PENDING", "Q", MANAGE), ("RUNNING", "R", BARE), ("COMPLETED", "D", BARE)):
        report = f"printf 'jobstates=\n4711 {word}\n' | {CURL} curl --data-binary @- -XPOST {where}/update-jobs.cgi"
        assert bed.run("login", report, user="alice").stdout == "Successfully updated jobs! \n"
        assert state(name) == expected
    assert state(launched.name) == "PR"
    assert ask("login", f"/destroytoken.cgi?token={name}") == "Success! Token destroyed.\n"
    assert state(name) == "U"


def test_a_flood_of_reports_costs_other_requests_nothing(launched: Launched) -> None:
    post = f"{CURL} curl --data-binary 'jobstates=4711 PENDING' -XPOST {MANAGE}/update-jobs.cgi"
    flood = f"for number in $(seq 40); do {post} & done; wait"
    said = bed.run("login", flood, user="alice").stdout
    assert "Successfully updated jobs!" in said
    assert "Oops!" in said
    assert state(launched.name) == "PR"


def test_nobody_outside_the_cluster_is_answered(launched: Launched) -> None:
    with bed.client(f"manage.{bed.DOMAIN}") as outside:
        for path in (
            "/getlink.cgi",
            f"/tokenjobstate.cgi?token={launched.name}",
            f"/destroytoken.cgi?token={launched.name}",
        ):
            claims = {"X-Real-IP": "10.89.77.31", "X-Forwarded-For": "10.89.77.31"}
            answer = outside.get(path, headers=claims)
            assert answer.text.startswith("Oops! Your address is in no cluster's networks."), answer.text
        assert outside.get("/").text == "Oops! There is nothing here.\n"
        assert outside.get("/v1/ping").status_code == httpx.codes.NOT_FOUND
    assert state(launched.name) == "PR"


def test_a_login_node_is_no_place_for_a_notebook_and_a_redeemed_token_is_used_up(launched: Launched) -> None:
    name = ask("login", "/getlink.cgi").split()[-1]
    assert ask("login", f"/redeemtoken.cgi?token={name}&port=9999").startswith("Oops! This cannot be a target")
    assert ask("node2", f"/redeemtoken.cgi?token={launched.name}&port=9999").startswith("Oops! That token was redeemed")
    assert ask("login", f"/destroytoken.cgi?token={launched.name}").startswith(
        "Oops! That token was redeemed on another"
    )
    ask("login", f"/destroytoken.cgi?token={name}")
    assert state(launched.name) == "PR"


def test_a_proper_link_is_out_of_its_reach() -> None:
    started = bed.start("bob", "-t 5")
    try:
        before = bed.record(started.name)
        for path in ("linktoken.cgi?jobid=1&", "redeemtoken.cgi?port=9999&", "destroytoken.cgi?"):
            assert ask("node1", f"/{path}token={started.name}").startswith("Oops! Unknown token")
        assert state(started.name) == "U"
        after = bed.record(started.name)
        assert {**after, "lease_until": 0} == {**before, "lease_until": 0}
        assert bed.status_of(started.name) == httpx.codes.OK
    finally:
        bed.stop(started)


def test_the_links_end_cuts_what_is_open_and_leaves_nothing(launched: Launched) -> None:
    with bed.websocket(launched.notebook) as open_socket:
        assert ask("node1", f"/destroytoken.cgi?token={launched.name}") == "Success! Token destroyed.\n"
        assert bed.is_cut(open_socket, 5)
    assert launched.name not in bed.routes()
    assert bed.status_of(launched.name) == httpx.codes.NOT_FOUND
    assert audited(launched.name)[-1] in ("satellite-destroytoken", "cut")


@dataclass(frozen=True)
class Server:
    """A web server of a user's on a port of node1."""

    user: str
    port: int
    pid: str

    def die(self) -> None:
        bed.run("node1", f"kill -9 {self.pid}", user=self.user)


def serve(user: str, port: int) -> Server:
    """Started as soon as the port is free; it names its user at every address."""
    program = (
        "import http.server as h\nclass H(h.BaseHTTPRequestHandler):\n  def do_GET(s):\n    s.send_response(200);"
        f" s.send_header('Content-Length', '{len(user)}'); s.end_headers(); s.wfile.write(b'{user}')\n"
        f"while True:\n  try: h.ThreadingHTTPServer(('node1', {port}), H).serve_forever()\n  except OSError: pass\n"
    )
    started = f"setsid python3 -c {shlex.quote(program)} < /dev/null > /dev/null 2>&1 & echo $!"
    return Server(user, port, bed.run("node1", started, user=user).stdout.strip())


def answer_at(name: str) -> tuple[int, str]:
    with bed.client(f"{name}.{bed.DOMAIN}") as browser:
        answer = browser.get("/any")
    return answer.status_code, answer.text


def test_two_users_in_turn_on_one_node_and_port_never_meet() -> None:
    first, second = (ask("login", "/getlink.cgi").split()[-1] for _ in range(2))
    servers = [serve("alice", 18080)]
    try:
        assert ask("node1", f"/redeemtoken.cgi?token={first}&port=18080") == "Success!\n"
        bed.eventually(lambda: answer_at(first) == (httpx.codes.OK, "alice"), "alice's server never became reachable")
        # It waits for the port, and has it in the moment that alice's ends.
        servers.append(serve("bob", 18080))
        refused = ask("node1", f"/redeemtoken.cgi?token={second}&port=18080")
        assert refused.startswith("Oops!"), refused
        servers[0].die()
        bed.eventually(lambda: first not in bed.routes(), "the route of a notebook that is gone is still there", 2)
        bed.eventually(lambda: bed.record(first)["state"] == "ended", "the link of a notebook that is gone lives on", 2)
        assert answer_at(first)[0] == httpx.codes.NOT_FOUND
        assert ask("node1", f"/redeemtoken.cgi?token={second}&port=18080") == "Success!\n"
        bed.eventually(lambda: bed.record(second)["program_mark"] != "", "nobody met bob's server")
        status, page = answer_at(second)
        assert (status, "Port 18080 of its node was another notebook" in page) == (
            httpx.codes.SERVICE_UNAVAILABLE,
            True,
        )
        assert answer_at(first)[0] == httpx.codes.NOT_FOUND
        servers[1].die()
        bed.eventually(lambda: bed.record(second)["state"] == "ended", "what was announced outlives its server", 5)
    finally:
        for server in servers:
            bed.run("node1", f"kill -9 {server.pid}", user=server.user, check=False)
