"""Get one workstation's certificate if it is due: its key never leaves it, so it is asked for with the request.

A folder for each workstation has `request.json`, which the playbook put there, and `certificate.json`, the last
certificate, for which request it is, and whose it is. The last one stays until the next one is there.
"""

from __future__ import annotations

import configparser
import hashlib
import json
import os
import shlex
import ssl
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certbot_outcome import explain
from certbot_run import FOLDERS, run_certbot, see_room
from certificate_failure import FailureError
from private_authority import Authority

REQUEST, CERTIFICATE = "request.json", "certificate.json"
PRIVATE = "private"
AGAIN = "ansible-playbook workstations.yml"
SECONDS = 60


@dataclass(frozen=True)
class Workstation:
    """Whose certificate it is: the first name, all names that the inventory allots, and the folder."""

    name: str
    names: list[str]
    folder: Path

    def read(self, file: str) -> dict[str, Any]:
        """Return what a file of the folder has, nothing if it is not there or damaged."""
        try:
            found = json.loads((self.folder / file).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, file: str, content: dict[str, Any]) -> None:
        """Replace a file of the folder."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(self.folder / file, json.dumps(content), 0o600)

    def take(self, pem: str) -> bool:
        """Take a request in place of the one before; whether it is another one."""
        wanted = {"names": self.names, "request": pem}
        if self.read(REQUEST) == wanted:
            return False
        self.write(REQUEST, wanted)
        return True

    def wants(self) -> str:
        """Return the request, nothing if there is none yet; an error if it is for other names."""
        kept = self.read(REQUEST)
        if kept and kept.get("names") != self.names:
            raise FailureError(
                "request-outdated",
                f"The inventory allots {self.name} the names {', '.join(self.names)}, and its request is for others.",
                f"Have it make another one: {AGAIN}",
            )
        return str(kept.get("request", ""))


def replace(path: Path, text: str, mode: int) -> None:
    """Write a file beside its place, and put it there."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, "utf-8")
    beside.chmod(mode)
    beside.replace(path)


def authority_of(section: configparser.SectionProxy) -> str:
    """Return who issues, as it is kept with a certificate."""
    return PRIVATE if section.get("authority") else section["server"]


def why_due(workstation: Workstation, pem: str, section: configparser.SectionProxy) -> str:
    """Return why another certificate is due, nothing if none is."""
    kept = workstation.read(CERTIFICATE)
    if not kept:
        return "there is none yet"
    if kept.get("request") != digest(pem):
        return "it has a new request"
    if kept.get("authority") != authority_of(section):
        return "another authority issues now"
    begins, ends = validity(kept["chain"])
    if time.time() > ends - (ends - begins) / 3:
        return "less than a third of its life is left"
    if not section.get("authority") and suggested(section["server"], kept["chain"]) < time.time():
        return "the authority wants it to be replaced"
    return ""


def digest(pem: str) -> str:
    """Return by which a request is known again."""
    return hashlib.sha256(pem.encode()).hexdigest()


def validity(chain: str) -> tuple[float, float]:
    """Return from when until when the first certificate of a chain is valid."""
    command = ["openssl", "x509", "-noout", "-startdate", "-enddate"]
    done = subprocess.run(command, input=chain, capture_output=True, text=True, timeout=SECONDS, check=False)
    times = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    try:
        return ssl.cert_time_to_seconds(times["notBefore"]), ssl.cert_time_to_seconds(times["notAfter"])
    except (KeyError, ValueError):
        return 0.0, 0.0


def suggested(server: str, chain: str) -> float:
    """Return when the authority wants the certificate to be replaced (ARI, RFC 9773); never, if it does not say."""
    # It is in certbot's venv alone.
    from acme import client

    # The certificate's life decides whenever the authority cannot be asked.
    with suppress(Exception):
        network = client.ClientNetwork(user_agent="lightship")
        directory = client.ClientV2.get_directory(server, network)
        moment, _ = client.ClientV2(directory, network).renewal_time(chain.encode())
        if moment:
            return float(moment.timestamp())
    return float("inf")


def issue(workstation: Workstation, section: configparser.SectionProxy) -> str:
    """Get the certificate if it is due, and return in words what was done."""
    # By which certbot and its libraries trust the authority, and know the provider's credentials.
    os.environ.update(word.split("=", 1) for word in shlex.split(section.get("environment", "")))
    pem = workstation.wants()
    if not pem:
        return f"{workstation.name} has made no request yet: {AGAIN}"
    why = why_due(workstation, pem, section)
    if not why:
        return f"No certificate of {workstation.name} is due."
    with tempfile.TemporaryDirectory(dir=workstation.folder) as name:
        request = Path(name, "request.pem")
        request.write_text(pem, "ascii")
        get = _signed if section.get("authority") else _by_certbot
        chain = get(workstation, request, section)
    kept = {"authority": authority_of(section), "request": digest(pem), "chain": chain}
    workstation.write(CERTIFICATE, kept)
    return f"A certificate of {workstation.name} was issued, for {why}."


def _signed(workstation: Workstation, request: Path, section: configparser.SectionProxy) -> str:
    return Authority(Path(section["authority"]), section["domain"]).certify(request, workstation.names)


def _by_certbot(workstation: Workstation, request: Path, section: configparser.SectionProxy) -> str:
    for folder in FOLDERS:
        see_room(folder)
    made = {kind: request.with_name(f"{kind}.pem") for kind in ("cert", "chain", "fullchain")}
    paths = [word for kind, path in made.items() for word in (f"--{kind}-path", str(path))]
    challenge = shlex.split(section.get("workstation_challenge", ""))
    command = ["certonly", "--config", section["config"], "--csr", str(request), *paths, *challenge]
    if failure := explain(run_certbot(command, section["writer"]), workstation.name):
        raise failure
    return made["fullchain"].read_text("ascii")
