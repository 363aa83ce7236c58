"""Another user of the same cluster, or a stranger, tries to read, take over or impersonate a link."""

from __future__ import annotations

import http.client
import os
import random
import secrets
import shlex
import socket
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from support import bed

pytestmark = pytest.mark.usefixtures("web_server")

NODE = "10.89.77.31"
# More at a time than one address may ask for. LIGHTSHIP_NAMES=1000000 tries a million.
GUESSES = int(os.environ.get("LIGHTSHIP_NAMES", "4000"))

# Listens on an address and port, takes whatever connects, offers TLS with a certificate of its own, and writes every
# byte that a client entrusts to it to a file. This is what the next user of a port can do.
EAVESDROPPER = """
import socket, ssl, sys
address, port, seen, certificate = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate)
listener = socket.create_server((address, int(port)))
open(seen, "w").write("listening\\n")
while True:
    connection, _ = listener.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as tls:
            open(seen, "a").write(repr(tls.recv(65536)) + "\\n")
    except OSError as error:
        open(seen, "a").write(f"refused {type(error).__name__}\\n")
"""


@pytest.fixture(scope="module")
def notebook() -> Iterator[bed.Notebook]:
    # It lives on while the web server changes.
    started = bed.start("alice", "-t 60")
    yield started
    bed.stop(started)


def ask(path: str, secret: str | None = None, **body: object) -> httpx.Response:
    """Put a job's request to the registry, as anyone on the internet can."""
    with bed.client() as registry:
        headers = {"Authorization": f"Bearer {secret}"} if secret is not None else {}
        return registry.post(f"/v1/links/{path}", json=body, headers=headers)


def request_for(name: str) -> str:
    """Return a certificate signing request for a link's host, as register-jupyter makes one."""
    command = (
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null"
        f" -subj /CN={name} -addext subjectAltName=DNS:{name}.{bed.DOMAIN} 2>/dev/null"
    )
    return bed.run("node1", command).stdout


def self_signed(host: str, pem: str) -> str:
    """Return a command that writes a key and a certificate for `host` that nobody issued."""
    options = f"-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {pem} -out {pem}.crt"
    named = f"-subj /CN=x -addext subjectAltName=DNS:{host}"
    return f"openssl req {options} {named} 2>/dev/null && cat {pem}.crt >> {pem}"


def background(host: str, command: str, *, user: str) -> None:
    """Leave a program running on a host."""
    bed.run(host, f"setsid {command} >/dev/null 2>&1 </dev/null &", user=user)


@pytest.mark.parametrize("secret", [None, "0" * 64, "a-name-is-not-a-secret"])
@pytest.mark.parametrize("action", ["claim", "target", "heartbeat", "end"])
def test_a_name_alone_or_a_wrong_secret_does_nothing(notebook: bed.Notebook, action: str, secret: str | None) -> None:
    body: dict[str, object] = {"claim": {"csr": "x"}, "target": {"port": 4567}}.get(action, {})  # type: ignore[assignment]
    assert ask(f"{notebook.name}/{action}", secret, **body).status_code == httpx.codes.FORBIDDEN
    assert bed.status_of(notebook.name) == httpx.codes.OK


def test_a_link_is_claimed_once() -> None:
    made = bed.agent("bob", op="create", seconds=600)
    csr = request_for(made["name"])
    assert ask(f"{made['name']}/claim", made["secret"], csr=csr).status_code == httpx.codes.OK
    assert ask(f"{made['name']}/claim", made["secret"], csr=csr).status_code == httpx.codes.CONFLICT
    bed.agent("bob", op="cancel", name=made["name"], reason="test")


def test_a_target_outside_the_compute_networks_is_refused() -> None:
    made = bed.agent("bob", op="create", seconds=600)
    assert ask(f"{made['name']}/claim", made["secret"], csr=request_for(made["name"])).status_code == httpx.codes.OK
    # The request comes from this machine, which is no compute node, whatever a header says.
    with bed.client() as registry:
        answer = registry.post(
            f"/v1/links/{made['name']}/target",
            json={"port": 4567, "address": NODE},
            headers={
                "Authorization": f"Bearer {made['secret']}",
                "X-Real-IP": NODE,
                "X-Forwarded-For": NODE,
            },
        )
    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.UNPROCESSABLE_ENTITY, "bad-address")
    assert made["name"] not in bed.routes()
    bed.agent("bob", op="cancel", name=made["name"], reason="test")


def test_one_user_has_no_say_over_the_link_of_another(notebook: bed.Notebook) -> None:
    for request in ({"op": "status"}, {"op": "cancel", "reason": "mine"}, {"op": "job", "job_id": "1"}):
        answer = bed.agent("mallory", name=notebook.name, **request)
        assert (answer["ok"], answer["code"]) == (False, "no-such-link")
    assert bed.status_of(notebook.name) == httpx.codes.OK


def test_a_neighbours_cookie_neither_hides_the_owners_nor_stands_for_it(notebook: bed.Notebook) -> None:
    mine, wrong = f"__Host-lightship={notebook.token}", f"__Host-lightship={'f' * 32}"
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        # As a neighbour sets it for the domain; some servers split the first two, and older browsers take the last.
        for planted in (f"x=a, {wrong}", "x=a, __Host-lightship=evil", f"x={wrong}", wrong, "__Host-lightship=evil"):
            for cookie in (f"{planted}; {mine}", f"{mine}; {planted}"):
                page = browser.get("/.lightship/", headers={"Cookie": cookie})
                assert (page.status_code, "is running" in page.text) == (httpx.codes.OK, True), cookie
            page = browser.get("/.lightship/", headers={"Cookie": planted})
            assert (page.status_code, "needs its token" in page.text) == (httpx.codes.FORBIDDEN, True), planted
        # Nor does a wrong token in the address, to which any page can lead her.
        page = browser.get("/.lightship/", params={"token": "f" * 32}, headers={"Cookie": mine})
        assert page.status_code == httpx.codes.OK


def test_an_unsigned_or_forged_request_of_a_cluster_is_refused() -> None:
    with bed.client() as registry:
        unsigned = registry.post("/v1/links", json={"user": "alice", "seconds": 600})
        assert unsigned.status_code == httpx.codes.FORBIDDEN
        headers = {
            "X-Lightship-Cluster": "demo",
            "X-Lightship-Time": bed.run("proxy", "date +%s").stdout.strip(),
            "X-Lightship-Nonce": secrets.token_hex(16),
            "X-Lightship-Signature": secrets.token_hex(32),
        }
        forged = registry.post("/v1/links", json={"user": "alice", "seconds": 600}, headers=headers)
        assert forged.status_code == httpx.codes.FORBIDDEN


def test_the_next_server_on_a_stale_routes_port_gets_no_byte_of_a_request() -> None:
    victim = bed.start("bob", "-p debug -t 10")
    route = bed.run("proxy", f"cat /run/lightship/routes/{victim.name}").stdout.strip()
    address, port = route.removeprefix("https://").split(":")
    # SIGKILL to everything of bob's: nobody tells the registry, the route lives until its lease ends.
    bed.run("node1", "pkill -KILL -u bob; sleep 1")
    pem, seen = "/tmp/mallory.pem", "/tmp/mallory.seen"
    bed.run("node1", self_signed(f"{victim.name}.{bed.DOMAIN}", pem), user="mallory")
    background("node1", f"python3 -c {shlex.quote(EAVESDROPPER)} {address} {port} {seen} {pem}", user="mallory")
    try:
        bed.eventually(lambda: "listening" in bed.run("node1", f"cat {seen}", check=False).stdout, "nobody listens", 10)
        assert victim.name in bed.routes(), "the route is gone already; the attack had nothing to attack"
        for path in ("/api/status", f"/lab?token={victim.token}"):
            assert bed.status_of(victim.name, path) == httpx.codes.BAD_GATEWAY
        received = bed.run("node1", f"cat {seen}").stdout.splitlines()
        assert received[1:], "the proxy never connected; the attack was not tried"
        assert all(line == "b''" or line.startswith("refused") for line in received[1:]), received
    finally:
        bed.run("node1", f"pkill -u mallory; rm -f {seen} {pem} {pem}.crt", check=False)
        bed.run("login", f"scancel {victim.job}")
        # Or it counts among bob's links until the scheduler is next asked of it.
        bed.run("proxy", f"lightship revoke {victim.name} --yes")
    bed.eventually(lambda: victim.name not in bed.routes(), "a missed lease did not end the route", 150)


def test_names_cannot_be_told_apart_and_whoever_tries_many_is_slowed_down() -> None:
    links = [bed.agent("bob", op="create", seconds=600, token_sha256="5e" * 32)["name"] for _ in range(2)]
    assert bed.agent("bob", op="cancel", name=links[0], reason="test")["ok"]
    chance = random.Random(7)  # noqa: S311 - only to be the same each time
    lines = (bed.REPOSITORY / "scripts/lightship_registry/links/words.txt").read_text().splitlines()
    words = [line for line in lines if line.isalpha()]
    seen: dict[bool, set[tuple[object, ...]]] = {True: set(), False: set()}
    connection, trust = http.client.HTTPSConnection("guess", timeout=20), bed.trust()
    with closing(connection):
        for number in range(GUESSES):
            if connection.sock is None:
                # One for as many names as the server allows, as an attacker in a hurry would: the certificate fits all.
                plain = socket.create_connection(("127.0.0.1", bed.PORT), timeout=20)
                connection.sock = trust.wrap_socket(plain, server_hostname=f"one-two-three.{bed.DOMAIN}")
            exists = number % 5 == 0
            name = links[number // 5 % 2] if exists else "-".join(chance.sample(words, 3))
            connection.request("GET", "/lab?token=" + "0" * 32, headers={"Host": f"{name}.{bed.DOMAIN}:{bed.PORT}"})
            answer = connection.getresponse()
            headers = tuple((key, value) for key, value in answer.getheaders() if key != "Date")
            seen[exists].add((answer.status, headers, answer.read()))
    # Waiting and ended links, and names that never were: the page, and the limiter's answer, are the same.
    assert seen[True] == seen[False]
    assert {status for status, *_ in seen[True]} == {httpx.codes.NOT_FOUND, httpx.codes.TOO_MANY_REQUESTS}
    assert len(seen[True]) == 2
    assert bed.agent("bob", op="cancel", name=links[1], reason="test")["ok"]


@pytest.mark.parametrize(("host", "path"), [(f"registry.{bed.DOMAIN}", "/v1/ping"), (bed.DOMAIN, "/lab")])
def test_a_request_that_names_two_hosts_reaches_no_other_host(web_server: str, host: str, path: str) -> None:
    def status(first: str, second: str) -> int:
        plain = socket.create_connection(("127.0.0.1", bed.PORT), timeout=20)
        with closing(bed.trust().wrap_socket(plain, server_hostname=host)) as connection:
            lines = (
                f"GET https://{first}:{bed.PORT}{path} HTTP/1.1",
                f"Host: {second}:{bed.PORT}",
                "Connection: close",
            )
            connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            return int(connection.recv(4096).split()[1])

    answered = status(host, host)
    assert answered != httpx.codes.BAD_REQUEST
    # Apache takes the first line's word, as the standard says, and tells the registry no other.
    refused = answered if web_server == "apache" else httpx.codes.BAD_REQUEST
    assert status(host, f"some-other-name.{bed.DOMAIN}") == refused


def test_no_secret_is_seen_in_a_process_a_log_or_a_journal(notebook: bed.Notebook) -> None:
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        browser.get("/lab", params={"token": notebook.token})
    secret = bed.link_file("alice", notebook.name, "secret").strip()
    hidden = "\n".join([secret, notebook.token, *bed.private_values()])
    places = "/proc/[0-9]*/cmdline /proc/[0-9]*/environ /var/log/nginx/*access* /var/log/apache2/*access*"
    # The patterns go in on standard input: in an argument they would find themselves.
    search = (
        f"umask 077; cat > /run/hidden; cat {places} > /run/places 2>/dev/null;"
        " journalctl -q --no-pager >> /run/places;"
        " grep -acF -f /run/hidden /run/places; wc -c < /run/places; rm /run/hidden /run/places"
    )
    for host in ("proxy", "login", "node1", "node2"):
        found, size = bed.run(host, search, text=hidden, check=False).stdout.split()
        assert int(size) > 10_000, "there was nothing to search in"
        assert found == "0", f"{host}: a secret is readable in {places} or the journal"


def test_no_secret_passes_through_a_command_line_while_a_notebook_starts() -> None:
    watched = ("login", "node1")
    watch = (
        "timeout 60 sh -c 'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ; done' > /run/watched 2>/dev/null"
    )
    for host in watched:
        background(host, f"sh -c {shlex.quote(watch)}", user="root")
    started = bed.start("bob", "-p debug -t 5")
    hidden = "\n".join([bed.link_file("bob", started.name, "secret").strip(), started.token])
    # On the login node register-jupyter is only named, for a moment, in the arguments of sbatch.
    count = "grep -aEc '(start|register)-jupyter' /run/watched; grep -acF -f - /run/watched"
    search = f"pkill -f /proc/[[]0; {count}; rm /run/watched"
    for host in watched:
        seen, found = bed.run(host, search, text=hidden, check=False).stdout.split()
        assert int(seen) > 0, f"{host}: the start was not watched"
        assert found == "0", f"{host}: a secret was in a process's arguments or environment"
    bed.stop(started)


def test_another_user_of_the_node_reads_neither_the_links_folder_nor_its_key(notebook: bed.Notebook) -> None:
    folder = f"~alice/.local/state/lightship/{notebook.name}"
    node = bed.run("login", f"squeue -h -j {notebook.job} -o %N").stdout.strip()
    pid = bed.run(node, "pgrep -u alice -f jupyter- | head -1").stdout.strip()
    for path in (f"{folder}/secret", f"{folder}/token", f"/proc/{pid}/environ"):
        assert bed.run(node, f"cat {path}", user="mallory", check=False).returncode != 0
    keys = bed.run(node, "find /tmp /home /run /var/tmp /dev/shm -user alice -name '*.key' -perm /077").stdout
    assert keys == ""


def test_a_port_taken_on_the_node_fails_the_job_and_publishes_nobody_elses_port() -> None:
    script = '#!/bin/bash\n#SBATCH -p debug\nexec "$2" --port 45678 "$1" -- jupyter lab\n'
    bed.run("login", f"printf %s {shlex.quote(script)} > ~/taken.sh", user="bob")
    background("node1", "python3 -m http.server 45678", user="mallory")
    try:
        before = bed.routes()
        done = bed.run("login", "start-jupyter -p debug -t 5 -b ~/taken.sh", user="bob", check=False)
        assert done.returncode != 0
        assert "45678" in done.stdout + done.stderr
        assert bed.routes() == before
        _, name, _ = bed.parse(done.stdout)
        assert bed.links("bob")[name] == "ended"
    finally:
        bed.run("node1", "pkill -u mallory", check=False)
        bed.run("login", "rm ~/taken.sh", user="bob")


def test_ansible_printed_no_secret() -> None:
    log = (bed.STATE / "ansible.log").read_text(encoding="utf-8", errors="replace")
    assert "PLAY RECAP" in log
    assert not [key for key in bed.private_values() if key in log]


def test_notebooks_are_shown_the_proxys_new_certificate(notebook: bed.Notebook) -> None:
    files = "cat /var/lib/lightship/web_proxy/client.crt"
    before = bed.run("proxy", files).stdout
    bed.run("proxy", "lightship authorities rotate client")
    assert bed.run("proxy", files).stdout != before
    assert bed.answers(notebook)
