from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.job import probe
from lightship_cluster.job.probe import Bound, is_taken, pick_port, read_bound, serves
from unit.lightship_cluster.fake_registry import self_signed, serving

HERE = "127.0.0.1"


def test_a_free_port_is_picked_and_a_taken_one_refused() -> None:
    port = pick_port(HERE)
    assert port >= 1024
    assert pick_port(HERE, port) == port
    with socket.create_server((HERE, port)):
        assert is_taken(HERE, port)
        with pytest.raises(LightshipError, match=f"Port {port} .*another process") as refused:
            pick_port(HERE, port)
    assert refused.value.status is ExitStatus.PORT
    assert not is_taken(HERE, port)


def test_an_address_of_another_host_is_refused() -> None:
    with pytest.raises(LightshipError, match="Cannot use port"):
        pick_port("192.0.2.1")


def test_our_own_certificate_counts_and_no_other(tmp_path: Path) -> None:
    ours, others = self_signed(tmp_path, "ours"), self_signed(tmp_path, "others")
    with serving((HERE, 0), BaseHTTPRequestHandler, *ours) as port:
        assert serves(HERE, port, ours[0].read_text() + others[0].read_text())
        with pytest.raises(LightshipError, match="another process"):
            serves(HERE, port, others[0].read_text())


def test_somebody_without_tls_is_somebody_else(tmp_path: Path) -> None:
    ours, _ = self_signed(tmp_path, "ours")
    with socket.create_server((HERE, 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                connection.recv(10000)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(LightshipError, match="another process"):
            serves(HERE, listener.getsockname()[1], ours.read_text())
        thread.join()


def test_nobody_is_not_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = self_signed(tmp_path, "ours")
    assert not serves(HERE, pick_port(HERE), ours.read_text())
    monkeypatch.setattr(probe, "HANDSHAKE_SECONDS", 0.1)
    with socket.create_server((HERE, 0)) as silent:
        assert not serves(HERE, silent.getsockname()[1], ours.read_text())


def test_the_runtime_file_says_what_was_bound(tmp_path: Path) -> None:
    assert read_bound(tmp_path) is None
    file = tmp_path / "jpserver-17.json"
    file.write_text('{"port": 45')
    assert read_bound(tmp_path) is None
    file.write_text('{"port": 4567, "token": "t"}')
    assert read_bound(tmp_path) == Bound(4567, "t")


@contextmanager
def demanding(tmp_path: Path, ours: tuple[Path, Path], ciphers: str = "") -> Iterator[int]:
    """A TLS 1.2 server that requires a client certificate, as Jupyter does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(self_signed(tmp_path, "proxy")[0])
    context.verify_mode = ssl.CERT_REQUIRED
    if ciphers:
        context.set_ciphers(ciphers)
    listener = socket.create_server((HERE, 0))

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            context.wrap_socket(connection, server_side=True)
            connection.recv(1)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


def test_our_own_certificate_is_known_in_tls_1_2_too(tmp_path: Path) -> None:
    ours, others = self_signed(tmp_path, "ours"), self_signed(tmp_path, "others")
    with demanding(tmp_path, ours) as port:
        assert serves(HERE, port, ours[0].read_text())
    with demanding(tmp_path, ours) as port, pytest.raises(LightshipError, match="another process"):
        serves(HERE, port, others[0].read_text())


def test_our_own_certificate_is_known_where_openssl_is_told_to_speak_no_newer_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = self_signed(tmp_path, "ours")
    settings = tmp_path / "openssl.cnf"
    settings.write_text(
        "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\n", "ascii"
    )
    program = (
        "import sys; from lightship_cluster.job.probe import serves;"
        "print(serves('127.0.0.1', int(sys.argv[1]), open(sys.argv[2]).read()))"
    )
    monkeypatch.setenv("OPENSSL_CONF", str(settings))
    monkeypatch.setenv("PYTHONPATH", str(Path(probe.__file__).parents[2]))
    with serving((HERE, 0), BaseHTTPRequestHandler, *ours) as port:
        command = [sys.executable, "-c", program, str(port), str(ours[0])]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


def test_tls_that_cannot_be_spoken_is_no_stranger(tmp_path: Path) -> None:
    ours = self_signed(tmp_path, "ours")
    # For a key of another kind than ours.
    with (
        demanding(tmp_path, ours, "ECDHE-RSA-AES128-GCM-SHA256") as port,
        pytest.raises(LightshipError, match=r"no TLS that the proxy could use \(.*OPENSSL_CONF") as refused,
    ):
        serves(HERE, port, ours[0].read_text())
    assert refused.value.status is ExitStatus.JUPYTER
