"""The test bed as its users see it: run a command on a host, start a notebook, speak HTTPS through the proxy.

Everything goes the way a person's request goes: ssh to a host, `start-jupyter` on the login node, the port published
on this machine's loopback, and a trust store that holds the bed's certificate authority and nothing else.
"""

from __future__ import annotations

import atexit
import base64
import json
import os
import re
import select
import shlex
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509

REPOSITORY = Path(__file__).resolve().parents[2]
STATE = REPOSITORY / ".bed"
ENGINE = os.environ.get("CONTAINER_ENGINE", "podman")
AUTHORITY = STATE / "pebble-root.pem"
DOMAIN = "notebooks.localhost"
PORT = int(os.environ.get("DEMO_PORT", "8443"))
REGISTRY = f"https://registry.{DOMAIN}:{PORT}"
# What makes a program believe another time, and how a host gets it. The dynamic linker puts the folder of its own
# architecture's libraries for $LIB: lib/x86_64-linux-gnu, lib/aarch64-linux-gnu. A shell must not: it is quoted there.
FAKETIME = "/usr/$LIB/faketime/libfaketime.so.1"
GET_FAKETIME = "apt-get install --yes --quiet libfaketime"
LINK = re.compile(r"Your (?:notebook|program) is here:\n    (https://([a-z-]+)\.[^?\s]+)\?token=([0-9a-f]{32})\n")

STATES = """
import json, sqlite3
store = sqlite3.connect("file:/var/lib/lightship/registry.sqlite3?mode=ro", uri=True)
print(json.dumps(store.execute("SELECT name, user, state FROM links").fetchall()))
"""

RECORD = """
import json, sqlite3
store = sqlite3.connect("file:/var/lib/lightship/registry.sqlite3?mode=ro", uri=True)
store.row_factory = sqlite3.Row
print(json.dumps(dict(store.execute("SELECT * FROM links WHERE name = ?", [NAME]).fetchone())))
"""


@dataclass(frozen=True)
class Notebook:
    """A link that `start-jupyter` printed, and the job behind it."""

    name: str
    origin: str
    token: str
    job: str
    output: str

    @property
    def url(self) -> str:
        """The address that the user was given, token included."""
        return f"{self.origin}?token={self.token}"


def run(
    host: str, command: str, *, user: str = "root", check: bool = True, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a shell command on a host of the bed, as root or in another user's login shell.

    Args:
        host: name of the host in the bed's inventory.
        command: text for the user's shell.
        user: the user who runs it.
        check: whether a status other than 0 fails the test, with everything the command printed.
        text: the command's standard input.
    """
    line = command if user == "root" else f"su - {user} -c {shlex.quote(command)}"
    done = subprocess.run(
        [*_CONNECTIONS.command(host), line],
        input=text,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=300,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"{user}@{host}: {command}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class _Connections:
    """One connection to each host, which all commands share: a new one costs more than most of them."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bed-")
        self._lock = threading.Lock()
        self._open: set[str] = set()
        atexit.register(self.close)

    def command(self, host: str) -> list[str]:
        """Return the command of ssh to a host, whose connection is there by then."""
        command = [*self._command(host), host]
        with self._lock:
            # Two first connections at once would make one of them print a warning.
            if host not in self._open:
                subprocess.run([*command, "true"], capture_output=True, timeout=60, check=False)
                self._open.add(host)
        return command

    def _command(self, host: str) -> list[str]:
        path = f"ControlPath={self._folder.name}/{host}"
        settings = ("BatchMode=yes", "ControlMaster=auto", "ControlPersist=yes", path)
        return ["ssh", "-F", str(STATE / "ssh_config"), *(word for each in settings for word in ("-o", each))]

    def end(self, host: str) -> None:
        """Close the connection to a host before it is removed; ssh would not notice."""
        with self._lock:
            self._open.discard(host)
        subprocess.run([*self._command(host), "-O", "exit", host], capture_output=True, timeout=10, check=False)

    def close(self) -> None:
        """End all of them."""
        for host in list(self._open):
            self.end(host)
        self._folder.cleanup()


_CONNECTIONS = _Connections()


def remove(host: str) -> None:
    """Take a host away with all that it has, as a fire would."""
    _CONNECTIONS.end(host)
    engine("rm", "--force", "--time=0", f"lightship-{host}")


def engine(*arguments: str) -> None:
    """Run a command of the container engine on a host, as one would handle its hardware."""
    subprocess.run([ENGINE, *arguments], check=True, capture_output=True, timeout=60)


def python(host: str, program: str, *, user: str = "root") -> str:
    """Run a Python program on a host and return what it printed, without its last newline."""
    return run(host, f"python3 -c {shlex.quote(program)}", user=user).stdout.rstrip("\n")


def agent(user: str, *, login: str = "login", **request: object) -> dict[str, Any]:
    """Put one request to the agent on a login node as `user`, and return its answer."""
    program = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(20);"
        "s.connect('/run/lightship-agent/agent.sock');"
        f"s.sendall({json.dumps(request)!r}.encode() + b'\\n'); print(s.makefile().readline())"
    )
    answer: dict[str, Any] = json.loads(python(login, program, user=user))
    return answer


def trust() -> ssl.SSLContext:
    """Return a client context that trusts the bed's certificate authority alone."""
    return ssl.create_default_context(cafile=str(AUTHORITY))


@contextmanager
def client(host: str | None = None, **options: Any) -> Iterator[httpx.Client]:
    """Yield an HTTPS client that reaches the proxy on this machine's loopback.

    Args:
        host: the name to ask for (Host and SNI); the registry's when left out.
        options: more for httpx.Client.
    """
    name = host or f"registry.{DOMAIN}"
    headers = {"Host": f"{name}:{PORT}", **options.pop("headers", {})}
    base = f"https://{name}:{PORT}"
    with httpx.Client(
        transport=ByName(name), base_url=base, headers=headers, timeout=30, trust_env=False, **options
    ) as opened:
        yield opened


class ByName(httpx.HTTPTransport):
    """Connects to loopback and uses the name for Host, SNI and certificate: no resolver need know the test domain."""

    def __init__(self, name: str) -> None:
        super().__init__(verify=trust())
        self._name = name

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request."""
        request.extensions["sni_hostname"] = self._name
        request.url = request.url.copy_with(host="127.0.0.1", port=PORT)
        return super().handle_request(request)


def hexadecimal(serial: int) -> str:
    """A serial number as openssl and browsers show it, two digits for each byte."""
    digits = f"{serial:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def presented() -> str:
    """The serial number that browsers are shown."""
    context = trust()
    with (
        socket.create_connection(("127.0.0.1", PORT), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=f"registry.{DOMAIN}") as secure,
    ):
        return hexadecimal(x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"").serial_number)


def websocket(notebook: Notebook) -> ssl.SSLSocket:
    """Return an open WebSocket to a notebook's stream of events, as JupyterLab opens one."""
    host = f"{notebook.name}.{DOMAIN}"
    plain = socket.create_connection(("127.0.0.1", PORT), timeout=20)
    secure = trust().wrap_socket(plain, server_hostname=host)
    lines = [
        f"GET /api/events/subscribe?token={notebook.token} HTTP/1.1",
        f"Host: {host}:{PORT}",
        f"Origin: {notebook.origin}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
    ]
    secure.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert secure.recv(4096).startswith(b"HTTP/1.1 101 ")
    return secure


def is_cut(connection: ssl.SSLSocket, seconds: float) -> bool:
    """Whether the other side ends the connection within the seconds."""
    until = time.monotonic() + seconds
    # Not select, which refuses the files of a process that has opened a thousand.
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    while poll.poll(1000 * max(0.0, until - time.monotonic())):
        try:
            if connection.recv(4096) == b"":
                return True
        except OSError:
            return True
    return False


def parse(output: str) -> tuple[str, str, str]:
    """Return origin, name and token of the link that `start-jupyter` printed."""
    found = LINK.search(output)
    assert found, f"start-jupyter printed no link:\n{output}"
    return found[1], found[2], found[3]


def start(user: str, arguments: str = "-t 10", *, login: str = "login") -> Notebook:
    """Start a notebook as `user` through the cluster's scheduler and return when it answers."""
    done = run(login, f"start-jupyter {arguments}", user=user)
    return notebook(user, done.stdout + done.stderr, login=login)


def notebook(user: str, printed: str, *, login: str = "login") -> Notebook:
    """Return the notebook from the output of `start-jupyter`."""
    origin, name, token = parse(printed)
    job = str(json.loads(link_file(user, name, "link.json", login=login))["job_id"])
    return Notebook(name, origin, token, job, printed)


def link_file(user: str, name: str, file: str, *, login: str = "login") -> str:
    """Return the content of a file in the state folder of a user's link."""
    return run(login, f"cat ~{user}/.local/state/lightship/{name}/{file}").stdout


def refused(command: str, status: int, *phrases: str, login: str = "login") -> None:
    """Assert that bob's command exits with the status and prints every phrase."""
    done = run(login, command, user="bob", check=False)
    said = done.stdout + done.stderr
    assert done.returncode == status, said
    assert "Traceback" not in said
    assert "is here" not in said  # no link above the reason why there is none
    for phrase in phrases:
        assert phrase in said


def stop(notebook: Notebook) -> None:
    """End a notebook's job and wait until its link is gone."""
    run("login", f"scancel {notebook.job}")
    wait_until_gone(notebook)


def wait_until_gone(notebook: Notebook) -> None:
    """Wait until the link of a job that was cancelled is gone."""
    eventually(lambda: status_of(notebook.name) == httpx.codes.NOT_FOUND, "the link of a cancelled job is still there")


def status_of(name: str, path: str = "/api") -> int:
    """Return the status of a stranger's GET of a link's address."""
    with client(f"{name}.{DOMAIN}") as browser:
        return browser.get(path).status_code


def answers(notebook: Notebook) -> bool:
    """Whether the notebook's own API answers its owner through the proxy."""
    with client(f"{notebook.name}.{DOMAIN}") as browser:
        return browser.get("/api/status", params={"token": notebook.token}).status_code == httpx.codes.OK


def ended_page(name: str, token: str) -> str:
    """Return the page that the owner finds at a link that has ended."""
    with client(f"{name}.{DOMAIN}") as browser:
        answer = browser.get("/lab", params={"token": token})
    assert answer.status_code == httpx.codes.GONE, answer.status_code
    return answer.text


def routes() -> set[str]:
    """Return the names of the links that the web server knows."""
    return set(run("proxy", "ls /run/lightship/routes").stdout.split())


def links(user: str) -> dict[str, str]:
    """Return the state of each link that a user ever made, read from the registry's database."""
    rows: list[list[str]] = json.loads(python("proxy", STATES))
    return {name: state for name, owner, state in rows if owner == user}


def record(name: str) -> dict[str, Any]:
    """Return the registry's database record of a link."""
    row: dict[str, Any] = json.loads(python("proxy", f"NAME = {name!r}\n{RECORD}"))
    return row


def private_values() -> list[str]:
    """Return the secrets on the proxy: the cluster's, the zone's, and a line of each private key."""
    programs = (
        "cat /etc/lightship/clusters/demo.key",
        "grep -rhoP 'secret \"\\K[^\"]+' /etc/bind /var/lib/bind",
        "tail -qn +2 /var/lib/lightship/*/*.key | grep -v -- ----- | grep -E '.{60}'",
    )
    found = [key for program in programs for key in run("proxy", program, check=False).stdout.split()]
    assert len(found) >= len(programs), "a key of the proxy was not found where it is expected"
    assert all(len(key) >= 32 for key in found)
    return found


def eventually(happened: Callable[[], bool], complaint: str, seconds: float = 60) -> None:
    """Wait until the condition holds; fail with `complaint` if it never does."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, complaint
        time.sleep(0.5)
