"""CPU that nginx spends on a request: through a link, and to the same notebook behind a static configuration.

Both run on the bed's proxy in turns, over TLS on both sides and with kept connections: the deployed web server with its
route lookup, and a second nginx whose configuration names the notebook. What the worker processes used, divided by the
requests answered, is what counts; the speed of the machine and of the load generator cancels out.

Usage: requests_per_cpu.py [ROUNDS [SECONDS]], after `make demo` or `make test` has brought up the bed.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from support import bed  # noqa: E402

AIM = 1.4
NODE, CLIENT, STATIC_PORT = "node1", "login", 8444
# Another one each time: the registry lets a port rest when its link has ended.
NOTEBOOK_PORT = 20_000 + int(time.time()) % 10_000
CONNECTIONS = 32
WORK = "/run/lightship-bench"
RESULT = REPOSITORY / ".bed" / "requests_per_cpu.json"
CONFIGURATIONS = Path(__file__).parent
PREPARE = "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends"


@dataclass(frozen=True)
class Side:
    """One of the two web servers on the proxy."""

    name: str
    url: str
    pid_file: str

    def cpu_seconds(self) -> float:
        """Return the CPU time that the worker processes have used so far."""
        stats = bed.run("proxy", f"pgrep -P $(cat {self.pid_file}) | xargs -I% cat /proc/%/stat").stdout
        # The second field may hold spaces and ends with a parenthesis; user and system time are fields 14 and 15.
        ticks = sum(int(field) for line in stats.splitlines() for field in line.rpartition(") ")[2].split()[11:13])
        return ticks / int(bed.run("proxy", "getconf CLK_TCK").stdout)

    def microseconds(self, seconds: int) -> float:
        """Put load on it for a while and return the CPU time of one request."""
        load(self.url, 1)
        before = self.cpu_seconds()
        requests = load(self.url, seconds)
        return (self.cpu_seconds() - before) / requests * 1e6


def load(url: str, seconds: int) -> int:
    """Send requests as fast as they are answered and return how many were."""
    said = bed.run(CLIENT, f"wrk -t 1 -c {CONNECTIONS} -d {seconds} {url}").stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"Not every request was answered by the notebook, so there is nothing to compare:\n{said}")
    found = re.search(r"(\d+) requests in", said)
    assert found, said
    return int(found[1])


def call(name: str, action: str, secret: str, body: dict[str, object]) -> dict[str, Any]:
    """Put a job's request to the registry, as the job does: from the node."""
    url = f"{bed.REGISTRY}/v1/links/{name}/{action}"
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    program = (
        "import ssl, urllib.request as request; "
        f"question = request.Request({url!r}, {json.dumps(body)!r}.encode(), {headers!r}); "
        f"trust = ssl.create_default_context(cafile='{WORK}/root.pem'); "
        "print(request.urlopen(question, timeout=30, context=trust).read().decode())"
    )
    answer: dict[str, Any] = json.loads(bed.python(NODE, program))
    return answer


def put(host: str, path: str, text: str) -> None:
    """Write a file on a host of the bed."""
    bed.run(host, f"mkdir -p {WORK} && cat > {path} <<'END'\n{text}\nEND")


@contextmanager
def nginx(host: str, configuration: str, **values: object) -> Iterator[None]:
    """Run a second nginx on a host with one of the configurations beside this file."""
    text = (CONFIGURATIONS / configuration).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    put(host, f"{WORK}/{configuration}", text)
    bed.run(host, f"nginx -c {WORK}/{configuration}")
    try:
        yield
    finally:
        bed.run(host, f"nginx -c {WORK}/{configuration} -s stop", check=False)


@contextmanager
def notebook() -> Iterator[tuple[str, str]]:
    """Make a link whose notebook is a small nginx on a compute node; yield its name and secret."""
    # Masked while it is installed: nobody needs the site that the package would start.
    bed.run(
        NODE, f"systemctl mask -q nginx && {PREPARE} nginx && systemctl unmask -q nginx && systemctl disable -q nginx"
    )
    made = bed.agent("alice", op="create", seconds=1800)
    if not made["ok"]:
        raise SystemExit(f"The registry made no link for the benchmark: {made['error']}")
    name, secret = made["name"], made["secret"]
    try:
        put(NODE, f"{WORK}/root.pem", bed.AUTHORITY.read_text(encoding="utf-8"))
        request = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=notebook"
        csr = bed.run(
            NODE, f"cd {WORK} && {request} -addext subjectAltName=DNS:{name}.{bed.DOMAIN} -keyout key.pem 2>&-"
        )
        claimed = call(name, "claim", secret, {"csr": csr.stdout})
        put(NODE, f"{WORK}/certificate.pem", claimed["certificate"])
        put(NODE, f"{WORK}/clients.pem", claimed["client_ca"])
        with nginx(NODE, "notebook.conf", port=NOTEBOOK_PORT, work=WORK):
            call(name, "target", secret, {"port": NOTEBOOK_PORT})
            yield name, secret
    finally:
        bed.agent("alice", op="cancel", name=name, reason="end of the benchmark")
        bed.run(NODE, f"rm -rf {WORK}", check=False)


def compare(rounds: int, seconds: int) -> dict[str, list[float]]:
    """Measure both sides in turns and return their microseconds a request."""
    bed.run(CLIENT, f"{PREPARE} wrk")
    with notebook() as (name, secret):
        host = f"{name}.{bed.DOMAIN}"
        address = bed.run("proxy", f"cat /run/lightship/routes/{name}").stdout.strip().removeprefix("https://")
        with nginx("proxy", "static.conf", port=STATIC_PORT, work=WORK, domain=bed.DOMAIN, notebook=address):
            sides = [
                Side("static", f"https://{host}:{STATIC_PORT}/", f"{WORK}/nginx.pid"),
                Side("link", f"https://{host}:{bed.PORT}/", "/run/nginx.pid"),
            ]
            if bed.status_of(name, "/") != httpx.codes.OK:
                raise SystemExit("The notebook of the benchmark does not answer through the proxy.")
            used: dict[str, list[float]] = {side.name: [] for side in sides}
            for number in range(rounds):
                for side in sides:
                    used[side.name].append(side.microseconds(seconds))
                call(name, "heartbeat", secret, {})
                print(f"round {number + 1}: " + "  ".join(f"{key} {value[-1]:.1f} us" for key, value in used.items()))
    bed.run("proxy", f"rm -rf {WORK}")
    return used


def main(argv: list[str]) -> int:
    """Compare, print the table, and keep it in .bed/."""
    rounds = int(argv[0]) if argv else 5
    seconds = int(argv[1]) if len(argv) > 1 else 5
    used = compare(rounds, seconds)
    medians = {name: statistics.median(values) for name, values in used.items()}
    ratio = medians["link"] / medians["static"]
    print(f"\nnginx, TLS on both sides, {CONNECTIONS} connections, {rounds} rounds of {seconds} s each, in turns")
    for name, value in medians.items():
        print(f"  {name:7} {value:6.1f} us of CPU a request  {1e6 / value:8.0f} requests per CPU second")
    print(f"  ratio   {ratio:6.2f}  (aim: at most {AIM}; {'met' if ratio <= AIM else 'missed'})")
    report = {"time": int(time.time()), "rounds": used, "median_us": medians, "ratio": round(ratio, 3)}
    RESULT.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
