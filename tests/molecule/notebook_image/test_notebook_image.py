"""The archive on the shared path: does somebody who loads it get a notebook?"""

from __future__ import annotations

import re

import pytest
from testinfra.host import Host

from support.bed import REPOSITORY

testinfra_hosts = ["ssh://login"]

ARCHIVE = "/shared/lightship/images/notebook.tar"

# A notebook server inside the container, asked from inside: there is no other network.
SERVE_AND_ASK = """
jupyter lab --no-browser --ServerApp.ip=127.0.0.1 --ServerApp.port=8888 --IdentityProvider.token=trial >/tmp/log 2>&1 &
for second in $(seq 60); do
  python3 -c 'from urllib.request import urlopen
print(urlopen("http://127.0.0.1:8888/api/status?token=trial").status)' 2>/dev/null && exit
  sleep 1
done
cat /tmp/log; exit 1
"""


@pytest.fixture(scope="module")
def image(host: Host) -> str:
    """Load the archive as a user of it does, and return the image's name."""
    loaded = host.check_output(f"podman load --quiet --input {ARCHIVE}")
    name = re.search(r"localhost/lightship-notebook:[0-9a-f]{16}", loaded)
    assert name, loaded
    return name[0]


def run(host: Host, image: str, command: str) -> str:
    """Return what a command printed in a container that has no network."""
    return str(host.check_output("podman run --rm --network=none %s sh -c %s", image, command)).strip()


def test_everybody_can_read_the_archive(host: Host) -> None:
    assert host.run(f"runuser -u alice -- head -c 1 {ARCHIVE}").rc == 0
    assert host.run(f"runuser -u alice -- test -w {ARCHIVE}").rc != 0


def test_it_has_the_jupyter_that_was_locked(host: Host, image: str) -> None:
    locked = dict(
        re.findall(r"^(\w+)==(\S+)", (REPOSITORY / "images/notebook/requirements.in").read_text(), re.MULTILINE)
    )
    assert run(host, image, "jupyter lab --version") == locked["jupyterlab"]
    assert run(host, image, "jupyter notebook --version") == locked["notebook"]


def test_it_runs_as_an_ordinary_user(host: Host, image: str) -> None:
    assert run(host, image, "id -u") == "1000"
    assert "denied" in run(host, image, "touch /opt/notebook/x 2>&1; true")


def test_a_notebook_server_answers_in_it(host: Host, image: str) -> None:
    assert run(host, image, SERVE_AND_ASK) == "200"


def test_one_archive_is_kept_and_no_half_of_one(host: Host) -> None:
    files = host.check_output("ls /shared/lightship/images").split()
    assert len(files) == 2
    assert not [name for name in files if name.endswith(".new")]
