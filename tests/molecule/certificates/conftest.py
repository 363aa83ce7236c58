"""A small web server that shows the role's certificate, beside whatever else the host runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from support.certificates_host import LIVE, WEB

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
