"""The registry's API for its two clients: the agent, which signs, and the job, which has a link's secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lightship_cluster.registry_client.signing import allowance, sign
from lightship_cluster.registry_client.transport import Answer, Transport, encode, while_busy

# How long the agent retries while the registry is busy. Together with the last try, which may take as long as the
# transport's timeout, it ends before the agent's own client gives up.
BUSY_SECONDS = 10.0


class SignedRegistry:
    """The agent's client: every request carries the cluster's signature."""

    def __init__(self, transport: Transport, cluster: str, key: bytes) -> None:
        self._transport = transport
        self._cluster = cluster
        self._key = key

    def ping(self) -> Answer:
        """Ask whether the registry answers and knows this cluster's key."""
        return self._send("GET", "/v1/ping")

    def create(self, user: str, seconds: int, told: Mapping[str, str]) -> Answer:
        """Create a link for the user, with the texts that its pages may show."""
        return self._send("POST", "/v1/links", {**told, "user": user, "seconds": seconds})

    def set_job(self, user: str, name: str, job_id: str) -> Answer:
        """Tell the registry which job will open the link."""
        return self._send("POST", f"/v1/links/{name}/job", {"user": user, "job_id": job_id})

    def status(self, user: str, name: str) -> Answer:
        """Ask for the status of the user's link."""
        return self._send("GET", f"/v1/links/{name}?user={quote(user, safe='')}")

    def cancel(self, user: str, name: str, reason: str) -> Answer:
        """End the user's link."""
        return self._send("POST", f"/v1/links/{name}/cancel", {"user": user, "reason": reason})

    def report_jobs(self, jobs: Sequence[Mapping[str, Any]], more: Mapping[str, str]) -> Answer:
        """Report the states of jobs, and the agent's faults; the answer lists the jobs to report next."""
        return self._send("POST", "/v1/jobs", {**more, "jobs": list(jobs)})

    def keys(self, user: str) -> Answer:
        """Ask for the public keys with which the user's machines may open tunnels, and for the tunnels."""
        return self._send("GET", f"/v1/keys?user={quote(user, safe='')}")

    def add_key(self, user: str, key: str) -> Answer:
        """Add a key; adding it again is no error."""
        return self._send("POST", "/v1/keys", {"user": user, "key": key})

    def remove_key(self, user: str, fingerprint: str) -> Answer:
        """Remove a key."""
        return self._send("POST", "/v1/keys/remove", {"user": user, "fingerprint": fingerprint})

    def _send(self, method: str, path: str, value: Mapping[str, Any] | None = None) -> Answer:
        body = b"" if value is None else encode(value)
        counted = allowance(self._key, self._cluster)

        def send() -> Answer:
            # Signed again for each try: a signature is valid once.
            signed = sign(self._key, self._cluster, method, path, body)
            return self._transport.send(method, path, body, {**signed, **counted})

        return while_busy(send, BUSY_SECONDS)


class LinkRegistry:
    """The job's client: every request carries the link's secret."""

    def __init__(self, transport: Transport, name: str, secret: str) -> None:
        self._transport = transport
        self._name = name
        self._headers: dict[str, str] = {"Authorization": f"Bearer {secret}"}

    def claim(self, csr: str, location: Mapping[str, str]) -> Answer:
        """Exchange the signing request for the link's certificate, and say where the job runs; allowed once."""
        return self._post("claim", {**location, "csr": csr})

    def target(self, port: int) -> Answer:
        """Say where the notebook listens; the registry takes the address from the connection."""
        return self._post("target", {"port": port})

    def heartbeat(self) -> Answer:
        """Renew the lease."""
        return self._post("heartbeat", {})

    def end(self, cause: str, reason: str, tail: str) -> Answer:
        """End the link, with the cause as a word, the reason as a sentence, and Jupyter's last lines."""
        return self._post("end", {"cause": cause, "reason": reason, "tail": tail})

    def _post(self, action: str, value: Mapping[str, Any]) -> Answer:
        return self._transport.send("POST", f"/v1/links/{self._name}/{action}", encode(value), self._headers)
