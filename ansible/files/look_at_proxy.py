"""Tell who listens on this host and whether a domain is delegated, as one JSON object, and change nothing.

Arguments: names of units, with commas between them, and the domain, or nothing. `active` are those of the units that
run; `delegated` is true, false, or null where no name server could say; `managed` are the web servers with a drop-in of
role web_proxy.
"""

import json
import os
import re
import secrets
import socket
import struct
import subprocess
import sys
from pathlib import Path

LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
# Whoever may run a program chooses its name, and terminals obey some characters.
ODD = re.compile(r"[^A-Za-z0-9_.@:+-]")
UNIT = re.compile(r"/([^/]+\.(?:service|socket|scope))(?:/[^/]*)?$", re.MULTILINE)
RESOLVERS = Path("/etc/resolv.conf")
DROP_INS = Path("/etc/systemd/system")
WEB_SERVERS = ("nginx.service", "apache2.service", "httpd.service")
PORT = 53
SECONDS = 3.0
NS, INTERNET, RECURSION_DESIRED = 2, 1, 0x0100
NO_ERROR, NO_SUCH_NAME = 0, 3


def listeners() -> list:
    """Each socket that takes connections or datagrams, with the program behind it where the kernel tells."""
    found = []
    owners = owners_of_sockets()
    for table, state in LISTENING.items():
        try:
            rows = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == state:
                address, port = fields[1].split(":")
                process, unit = owners.get(fields[9], ("", ""))
                found.append(
                    {
                        "kind": table[:3],
                        "address": readable(address),
                        "port": int(port, 16),
                        "process": process,
                        "unit": unit,
                    }
                )
    return found


def active(units: str) -> list:
    """Those of the units that run: not every host lets its root see whose a socket is."""
    names = units.split(",")
    try:
        done = subprocess.run(["systemctl", "is-active", *names], stdout=subprocess.PIPE, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return []
    return [name for name, state in zip(names, done.stdout.decode().split()) if state == "active"]  # noqa: B905


def managed() -> list:
    """The web servers that this service has configured on this host."""
    return [unit for unit in WEB_SERVERS if (DROP_INS / (unit + ".d") / "lightship.conf").exists()]


def readable(address: str) -> str:
    """An address as people write it; the kernel prints words of 32 bits in the byte order of the machine."""
    words = [struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8)]
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, b"".join(words))


def owners_of_sockets() -> dict:
    """Of each socket's number the name of a process that has it, and its unit."""
    owners = {}
    for process in Path("/proc").glob("[1-9]*"):
        try:
            # Path has no readlink before Python 3.9.
            links = [os.readlink(file) for file in (process / "fd").iterdir()]  # noqa: PTH115
            name = ODD.sub("?", (process / "comm").read_bytes().decode("ascii", "replace").strip())
            unit = UNIT.search((process / "cgroup").read_bytes().decode("ascii", "replace"))
        except OSError:
            continue
        for link in links:
            if link.startswith("socket:["):
                owners.setdefault(link[len("socket:[") : -1], (name, ODD.sub("?", unit.group(1)) if unit else ""))
    return owners


def delegated(domain: str):  # noqa: ANN201 - true, false or neither, for Pythons without a word for that
    """Whether this host's resolvers know name servers of the domain.

    Where the parent names some that do not answer yet, as before the first deployment, resolvers say SERVFAIL.
    """
    try:
        lines = RESOLVERS.read_text().splitlines()
    except OSError:
        return None
    for server in [line.split()[1] for line in lines if line.startswith("nameserver ") and len(line.split()) > 1]:
        try:
            code, answers = ask(server, domain)
        except (OSError, struct.error, ValueError):
            continue
        if code == NO_ERROR and answers:
            return True
        if code in (NO_ERROR, NO_SUCH_NAME):
            return False
    return None


def ask(server: str, domain: str) -> tuple:
    """The code of a resolver's answer about the domain's name servers, and how many records it has."""
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in domain.split("."))
    number = secrets.randbelow(1 << 16)
    head = struct.pack("!6H", number, RECURSION_DESIRED, 1, 0, 0, 0)
    question = head + labels + b"\0" + struct.pack("!2H", NS, INTERNET)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(SECONDS)
        asking.connect((server, PORT))
        asking.send(question)
        answer, flags, _, answers = struct.unpack("!4H", asking.recv(4096)[:8])
    if answer != number:
        raise ValueError("an answer to another question")
    return flags & 0x000F, answers


if __name__ == "__main__":
    ours = sys.argv[1]
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    seen = {
        "listeners": listeners(),
        "active": active(ours),
        "delegated": delegated(wanted) if wanted else None,
        "managed": managed(),
    }
    print(json.dumps(seen))
