"""What the site's variables make of nginx's configuration; what it then does is tested on a host."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROLE = Path(__file__).parents[2] / "roles" / "web_proxy"
DEBIAN_12 = {"os_family": "Debian", "distribution": "Debian", "distribution_version": "12.11"}
DEBIAN_13 = {**DEBIAN_12, "distribution_version": "13.1", "all_ipv6_addresses": ["2001:db8::1"]}


def trusted(value: Any) -> Any:
    """Return a value of a variable file as Ansible would have loaded it."""
    if isinstance(value, dict):
        return {key: trusted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [trusted(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


def render(facts: dict[str, Any] = DEBIAN_12, **variables: Any) -> str:
    """Return the site's configuration for a host with these facts and variables."""
    if not getattr(AnsibleCollectionConfig, "collection_finder", None):
        init_plugin_loader()
    values: dict[str, Any] = {"ansible_managed": "", "ansible_search_path": [str(ROLE)]}
    for file in ("defaults/main.yml", "vars/main.yml", "vars/Debian.yml"):
        values |= trusted(yaml.safe_load((ROLE / file).read_text(encoding="utf-8")))
    values |= {"ansible_facts": facts, "web_proxy_domain": "notebooks.example.org", **variables}
    text = (ROLE / "templates" / "site.conf.j2").read_text(encoding="utf-8")
    return str(Templar(loader=DataLoader(), variables=values).template(trust_as_template(text)))


def test_http2_is_asked_for_as_each_nginx_understands_it() -> None:
    assert "listen 0.0.0.0:443 ssl http2;" in render(DEBIAN_12)
    assert "http2 on;" not in render(DEBIAN_12)
    assert "listen 0.0.0.0:443 ssl;" in render(DEBIAN_13)
    assert "http2 on;" in render(DEBIAN_13)


def test_ipv6_is_listened_on_where_the_host_has_any() -> None:
    assert "listen [::]:443 " in render(DEBIAN_13)
    assert "[::]" not in render(DEBIAN_12)


@pytest.mark.parametrize(
    ("port", "origin"), [(443, "https://$host$request_uri"), (8443, "https://$host:8443$request_uri")]
)
def test_redirects_name_the_port_where_it_is_not_the_usual_one(port: int, origin: str) -> None:
    site = render(web_proxy_https_port=port)
    assert f"return 301 {origin};" in site
    assert f"listen 0.0.0.0:{port} ssl" in site


def test_the_port_for_redirects_can_be_left_to_another_site() -> None:
    assert "listen 0.0.0.0:80 default_server;" in render()
    shared = render(web_proxy_disable_default_site=False)
    assert "listen 0.0.0.0:80;" in shared
    assert ":80 default_server" not in shared
    assert ":80" not in render(web_proxy_http_port=0)


def test_strict_transport_security_is_sent_from_every_place_or_from_none() -> None:
    assert "Strict-Transport-Security max-age" not in render(web_proxy_hsts_seconds=0)
    site = render(web_proxy_hsts_seconds=60)
    # nginx forgets the outer add_header wherever there is an inner one, so each place that answers has its own.
    places = site.count("    location ") - site.count("return 404;\n    }")
    assert site.count("add_header Strict-Transport-Security max-age=60 always;") == places
