"""What gixy finds in nginx's configuration: nothing high or medium that is not explained here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Render = Callable[..., str]
DEBIAN_13 = {"os_family": "Debian", "distribution": "Debian", "distribution_version": "13.1"}
FIXED = [
    {"path": "/jupyter", "target": "http://localhost:8888"},
    {"name": "jupyter", "target": "https://localhost:8889", "networks": ["192.0.2.0/24"], "users": "/etc/users"},
    {"name": "people", "target": "https://localhost:8890", "client_authority": "/etc/ssl/people.pem"},
]
EXPLAINED = {
    "ssl_ecdh_curve": "The group that needs OpenSSL 3.5 is named only on distributions that have it.",
    "http_splitting": "$lightship_token is of hexadecimal digits and commas: lightship_tokens.lua checks each token.",
    "host_spoofing": "A notebook gets Host as it came, with its port; lightship_origins.lua compares "
    "it with the server's name first.",
    "hsts_header": "Each place that answers has the header; gixy looks for it in the servers alone, "
    "where places would forget it.",
    "missing_resolver": "lightship_registry is an upstream of this file, not a name to be resolved.",
    "return_bypasses_allow_deny": "What a fixed notebook's place refuses before it looks at the "
    "network says nothing of the notebook.",
    "worker_rlimit_nofile_vs_connections": "A connection takes one file; the 1,024 above are for "
    "route files and logs, as no file buffers a body.",
}


@pytest.mark.parametrize(
    "variables",
    [{}, {"web_proxy_satellite": True, "web_proxy_http3": True, "web_proxy_fixed_notebooks": FIXED}],
    ids=["default", "everything"],
)
def test_gixy_finds_nothing_that_is_not_explained(render: Render, tmp_path: Path, variables: dict[str, Any]) -> None:
    values = {"ansible_facts": DEBIAN_13, "web_proxy_domain": "notebooks.example.org", **variables}
    site, main = tmp_path / "site.conf", tmp_path / "main.conf"
    site.write_text(render("web_proxy", "nginx/site.conf.j2", **values))
    text = render("web_proxy", "nginx/main.conf.j2", **values).replace("/etc/nginx/conf.d/*.conf", str(site))
    main.write_text("\n".join(line for line in text.splitlines() if "include /etc/" not in line))
    gixy = Path(sys.executable).with_name("gixy")
    # Its status tells whether it has found anything at all.
    done = subprocess.run(
        [gixy, "-ll", "--format", "json", main], capture_output=True, text=True, timeout=120, check=False
    )
    found = {finding["plugin"]: finding for finding in json.loads(done.stdout)}
    assert {plugin: finding for plugin, finding in found.items() if plugin not in EXPLAINED} == {}
    if variables:
        assert set(EXPLAINED) == set(found), "an explanation is no longer needed"
