"""The notebooks' side: one small nginx on every loopback address, and an echo server for WebSockets behind it.

nginx asks for the proxy's client certificate. The echo server answers the opening handshake and then sends every byte
back as it came. That is enough for proxies, which do not look into WebSocket frames.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import multiprocessing
import subprocess
import time
from pathlib import Path

from peers.certificates import Certificates
from peers.links import BACKEND_PORT, IMPOSTOR

SMALL = '{"version": "2.20.0"}'
FILE_BYTES = 10_000_000
WEBSOCKET_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONFIGURATION = """
daemon off;
# Uploads are written below a folder that only root may write to.
{user}
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 16000; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    keepalive_timeout 3600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    map $http_upgrade $bench_connection {{ default ""; websocket upgrade; }}
    server {{
        listen {port} ssl;
        server_name {impostor_host};
        ssl_certificate {impostor.certificate};
        ssl_certificate_key {impostor.key};
        ssl_client_certificate {authority};
        ssl_verify_client optional;
        location / {{ return 200 'got the request of another link'; }}
    }}
    server {{
        listen {port} ssl default_server backlog=4096;
        ssl_certificate {notebooks.certificate};
        ssl_certificate_key {notebooks.key};
        ssl_client_certificate {authority};
        ssl_verify_client on;
        ssl_session_tickets off;
        client_max_body_size 0;
        location / {{ default_type application/json; return 200 '{small}'; }}
        location /files/ {{ root {folder}; }}
        location /uploads/ {{ root {folder}; dav_methods PUT; create_full_put_path on; }}
        location /echo {{
            proxy_pass http://unix:{folder}/echo.sock;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $bench_connection;
            proxy_read_timeout 3600s;
        }}
    }}
}}
"""


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = {
            line.partition(b":")[0].strip().lower(): line.partition(b":")[2].strip() for line in head.splitlines()[1:]
        }
        key = fields[b"sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_MAGIC).digest())  # noqa: S324 - RFC 6455
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, KeyError):
        pass
    finally:
        writer.close()


def _serve(path: str) -> None:
    async def run() -> None:
        server = await asyncio.start_unix_server(_echo, path, backlog=1024)
        Path(path).chmod(0o666)
        await server.serve_forever()

    asyncio.run(run())


class Backend:
    """Every notebook of the run. `with Backend(...)`: they answer."""

    def __init__(self, folder: Path, certificates: Certificates, *, as_root: bool) -> None:
        self.folder = folder / "backend"
        self.certificates = certificates
        self.as_root = as_root

    def __enter__(self) -> Backend:
        (self.folder / "files").mkdir(parents=True)
        (self.folder / "uploads").mkdir()
        (self.folder / "files" / "large").write_bytes(bytes(FILE_BYTES))
        text = CONFIGURATION.format(
            folder=self.folder,
            port=BACKEND_PORT,
            notebooks=self.certificates.notebooks,
            impostor=self.certificates.impostor,
            impostor_host=IMPOSTOR.host,
            authority=self.certificates.authority,
            small=SMALL,
            user="user root;" if self.as_root else "",
        )
        (self.folder / "nginx.conf").write_text(text, encoding="utf-8")
        self.nginx = subprocess.Popen(["nginx", "-c", str(self.folder / "nginx.conf")])
        context = multiprocessing.get_context("spawn")
        self.echo = context.Process(target=_serve, args=(str(self.folder / "echo.sock"),), daemon=True)
        self.echo.start()
        end = time.monotonic() + 10
        while not ((self.folder / "echo.sock").exists() and (self.folder / "nginx.pid").exists()):
            if time.monotonic() > end or self.nginx.poll() is not None:
                raise SystemExit(f"The backend did not start; see {self.folder}/error.log")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.nginx.terminate()
        self.nginx.wait()
        self.echo.terminate()
        self.echo.join()
