"""A small web server that shows the role's certificate, beside whatever else the host runs, and a browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Error
from testinfra.host import Host

from browser.window import chromium, trust
from support.certificates_host import ADDRESS, DOMAIN, LIVE, PORT, WEB

CONFIG = f"""
pid /run/certificates-test.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  include {WEB}/*.conf;
}}
"""
SITE = f"server {{ listen 9443 ssl; ssl_certificate {LIVE}/fullchain.pem; ssl_certificate_key {LIVE}/privkey.pem; }}"
UNIT = f"""
[Service]
Type=forking
PIDFile=/run/certificates-test.pid
ExecStart=/usr/sbin/nginx -c {WEB}/nginx
ExecReload=/usr/sbin/nginx -c {WEB}/nginx -s reload
"""


@pytest.fixture(scope="module")
def web_server(host: Host) -> Iterator[None]:
    """An nginx of the tests' own; the package goes again where there was none."""
    had = host.package("nginx").is_installed
    host.check_output("DEBIAN_FRONTEND=noninteractive apt-get install -y nginx")
    host.check_output(f"mkdir -p {WEB}")
    host.check_output("echo %s > %s", CONFIG, f"{WEB}/nginx")
    host.check_output("echo %s > %s", SITE, f"{WEB}/site.conf")
    host.check_output("echo %s > /run/systemd/system/certificates-test.service", UNIT)
    host.check_output("systemctl daemon-reload && systemctl restart certificates-test")
    yield
    host.check_output("systemctl stop certificates-test && rm /run/systemd/system/certificates-test.service")
    host.check_output(f"rm -r {WEB} && systemctl daemon-reload")
    if not had:
        host.check_output("DEBIAN_FRONTEND=noninteractive apt-get purge -y --autoremove nginx nginx-common")


@pytest.fixture
def error_in_chromium(tmp_path: Path) -> Callable[[str], str]:
    """Return the function that opens the site in a Chromium that trusts one root: its error, nothing if all is well."""

    def opened(root: str) -> str:
        (tmp_path / "root.pem").write_text(root)
        home = tmp_path / secrets.token_hex(4)
        trust(home, tmp_path / "root.pem")
        try:
            with chromium(home, f"--host-resolver-rules=MAP * {ADDRESS}") as page:
                page.goto(f"https://quiet-river-stone.{DOMAIN}:{PORT}/")
        except Error as error:
            return error.message
        return ""

    return opened
