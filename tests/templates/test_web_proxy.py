"""What the site's variables make of nginx's configuration; what it then does is tested on a host."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

from lightship_cluster.app_proxy import pages
from lightship_protocol.centre import CONTACT, GUIDE, NAME, Centre, CentreError, centre_of
from lightship_registry.pages import events, page_auth

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


def render(facts: dict[str, Any] = DEBIAN_12, template: str = "site.conf.j2", **variables: Any) -> str:
    """Return a file of the role's for a host with these facts and variables."""
    if not getattr(AnsibleCollectionConfig, "collection_finder", None):
        init_plugin_loader()
    values: dict[str, Any] = {"ansible_managed": "", "ansible_search_path": [str(ROLE)], "role_path": str(ROLE)}
    for file in ("defaults/main.yml", "vars/main.yml", "vars/Debian.yml"):
        values |= trusted(yaml.safe_load((ROLE / file).read_text(encoding="utf-8")))
    values |= {"ansible_facts": facts, "web_proxy_domain": "notebooks.example.org", **variables}
    text = (ROLE / "templates" / template).read_text(encoding="utf-8")
    return str(Templar(loader=DataLoader(), variables=values).template(trust_as_template(text)))


def places(site: str) -> dict[str, str]:
    """Return every location that passes requests on, by server and location, with its directives."""
    found = {}
    for server in site.split("\nserver {")[1:]:
        name = server.split("server_name ")[1].split(";")[0]
        for location in server.split("\n    location ")[1:]:
            if "proxy_pass" in location:
                found[f"{name} {location.split(' {')[0]}"] = location.split("\n    }\n")[0]
    return found


def test_only_a_links_own_page_is_shown_what_proves_its_owner() -> None:
    shown = {
        place: re.findall(r"proxy_set_header X-Lightship-Token (.*);", text) for place, text in places(render()).items()
    }
    assert shown == {
        "*.notebooks.example.org /": ['""'],
        "*.notebooks.example.org ^~ /.lightship/": ["$lightship_token"],
        "*.notebooks.example.org = /.lightship/enter": ["$lightship_token"],
        "*.notebooks.example.org @instead": ["$lightship_token"],
        "registry.notebooks.example.org /v1/": ['""'],
        "notebooks.example.org /": ['""'],
    }


def test_the_registry_is_asked_for_its_own_paths_alone() -> None:
    asked = re.search(r"map \$uri \$lightship_page \{(.*?)\}", render(), re.DOTALL)
    assert asked
    assert dict(line.split() for line in asked[1].replace(";", "").strip().splitlines()) == {
        "default": "/",
        "/.lightship/": "/status",
        "/.lightship/events": "/events",
        "/.lightship/running": "/running",
        "/.lightship/cancel": "/cancel",
        r"~^/\.lightship/": "/none",
    }


@pytest.mark.parametrize("satellite", [False, True])
def test_below_the_pages_own_path_no_notebook_is_asked_and_all_is_refused_that_is_refused_elsewhere(
    satellite: bool,
) -> None:
    found = places(render(web_proxy_satellite=satellite))
    own, instead = (found[f"*.notebooks.example.org {place}"] for place in ("^~ /.lightship/", "@instead"))
    assert re.findall(r"proxy_pass (\S+);", own) == ["http://lightship_registry$lightship_page"]
    assert 'return require("lightship_origins").refusal_of_own_paths()' in own
    for word in ("malformed", "foreign", "dead", "led"):
        (answers,) = {re.findall(rf"= {word}\) \{{\s+(return .*)\n", text)[0] for text in (own, instead)}
        assert answers.startswith("return 4")
    # Nothing a client sends but the proof of who asks.
    assert re.findall(r'proxy_set_header (\S+) "";', own) == re.findall(r'proxy_set_header (\S+) "";', instead)
    assert 'proxy_set_header Cookie "";' in own
    assert "proxy_pass_request_body off;" in own
    # The one body that is passed on is a form with a token, so small that it stays in memory.
    enter = found["*.notebooks.example.org = /.lightship/enter"]
    assert "client_max_body_size 4k;" in enter
    assert 'return require("lightship_origins").refusal_of_own_paths()' in enter
    passed = {place for place, text in found.items() if "_body off" not in text and "lightship_registry" in text}
    assert "*.notebooks.example.org = /.lightship/enter" in passed
    assert not any(place.endswith(("@instead", "^~ /.lightship/")) for place in passed)


def test_events_are_never_silent_for_as_long_as_nginx_waits() -> None:
    waits = re.findall(r"proxy_read_timeout (\d+)s;", places(render())["*.notebooks.example.org ^~ /.lightship/"])
    assert [int(seconds) > 2 * events.COMMENT_SECONDS for seconds in waits] == [True]


def test_nginx_and_the_registry_set_the_same_cookie() -> None:
    lua = {path.name: path.read_text(encoding="utf-8") for path in (ROLE / "templates").glob("*.lua.j2")}
    assert f'TOKEN_COOKIE = "{page_auth.COOKIE}"' in lua["lightship_tokens.lua.j2"]
    assert f"MOST_TOKENS = {page_auth.MOST_TOKENS}\n" in lua["lightship_tokens.lua.j2"]
    assert (
        f'"{page_auth.COOKIE}=" .. token .. "; Path=/; Max-Age={page_auth.COOKIE_SECONDS}; '
        in lua["lightship_answers.lua.j2"]
    )


def test_every_module_of_the_lua_program_is_installed() -> None:
    modules = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["__web_proxy_lua_modules"]
    assert sorted(modules) == sorted(path.name.removesuffix(".lua.j2") for path in ROLE.glob("templates/*.lua.j2"))


CENTRES = [
    Centre(),
    Centre("Only a name"),
    Centre(
        'Zürich "HPC" <b> & Söhne\'s ]==] \\n $host #1 ;',
        "help@example.org",
        "https://example.org/$guide?a=1&b='2'#top",
    ),
    Centre("", "https://example.org/help?q=%22$request_uri", ""),
    Centre("x" * 100, "", "https://example.org/" + "&" * 500),
]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((NAME, f"Example{space}Centre") for space in (" ", "\u00a0", "\u00ad", "\u200b", "\u2028", "\u3000")),
        *((NAME, text) for text in ("", "x" * 101, "two\nlines")),
        *(
            (CONTACT, text)
            for text in ("", "help@example.org", "https://example.org/help?a=b", "help@host", "Help <a@b>")
        ),
        *((GUIDE, text) for text in ("", "https://example.org/a#top", "help@example.org", 'https://example.org/"a')),
    ],
)
def test_the_preflight_refuses_what_the_commands_and_the_service_would_refuse_later(key: str, value: str) -> None:
    named = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
    name, mail, web = (named[f"__web_proxy_{kind}_pattern"] for kind in ("name", "mail", "web"))
    pattern = {NAME: name, CONTACT: rf"({mail}|{web}|)\Z", GUIDE: rf"({web}|)\Z"}[key]
    try:
        centre_of({key: value})
        accepted = True
    except CentreError:
        accepted = False
    assert bool(re.match(pattern, value)) == accepted


def own_pages(centre: Centre) -> dict[str, str]:
    """Return nginx's own pages, and the one with a head, as Lua's reader has them."""
    lua = render(
        template="lightship_pages.lua.j2",
        web_proxy_centre_name=centre.name,
        web_proxy_contact=centre.contact,
        web_proxy_guide_url=centre.guide_url,
    )
    # What JSON writes between quotes, Lua reads in the same way, as long as there is no \\u in it.
    assert "\\u" not in lua
    return {name: json.loads(text) for name, text in re.findall(r'^pages\.(\w+) = (".*")$', lua, re.MULTILINE)}


@pytest.mark.parametrize("centre", CENTRES)
def test_nginxs_own_pages_and_the_auth_proxys_lead_to_the_centre_in_the_same_way(centre: Centre) -> None:
    found = own_pages(centre)
    titles = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["__web_proxy_pages"]
    assert found.keys() == titles.keys() == {path.stem for path in (ROLE / "files").glob("*.html")}
    for name, page in found.items():
        text = (ROLE / "files" / f"{name}.html").read_text(encoding="utf-8").rstrip()
        # They write quotes in two ways.
        assert html.unescape(page) == html.unescape(pages.frame(titles[name], text, centre)).rstrip()
        links = re.findall(r'<a href="([^"<>]+)">([^"<>]+)</a>', page.partition("</main>")[2])
        assert [html.unescape(address) for address, _ in links] == list(
            filter(None, (centre.guide_url, centre.contact_url))
        )
        assert ("<nav" in page) == bool(links)


def test_where_browsers_are_sent_by_nginxs_own_pages_no_program_begins() -> None:
    odd = own_pages(Centre("", "javascript:alert(1)", ""))["led"]
    assert 'href="mailto:javascript:alert(1)"' in odd


def test_every_page_of_nginxs_own_is_used_and_there_is_no_other() -> None:
    used = re.findall(r'require\("lightship_pages"\)\.(\w+)', render())
    assert set(used) == {*own_pages(Centre()), "headless"}


def test_a_slow_head_is_waited_for_as_briefly_before_a_connection_has_named_its_server_as_after() -> None:
    servers = render(web_proxy_satellite=True).split("\nserver {")[1:]
    assert len([server for server in servers if "default_server" in server]) == 2
    for server in servers:
        assert "client_header_timeout 20s;" in server
        assert "large_client_header_buffers 4 32k;" in server


def test_http2_is_asked_for_as_each_nginx_understands_it() -> None:
    assert "listen 0.0.0.0:443 ssl http2;" in render(DEBIAN_12)
    assert "http2 on;" not in render(DEBIAN_12)
    assert "listen 0.0.0.0:443 ssl;" in render(DEBIAN_13)
    assert "http2 on;" in render(DEBIAN_13)


def test_ipv6_is_listened_on_where_the_host_has_any() -> None:
    assert "listen [::]:443 " in render(DEBIAN_13)
    assert "[::]" not in render(DEBIAN_12)


@pytest.mark.parametrize(
    ("port", "origin"),
    [(443, "https://$lightship_host$request_uri"), (8443, "https://$lightship_host:8443$request_uri")],
)
def test_redirects_name_the_port_where_it_is_not_the_usual_one(port: int, origin: str) -> None:
    site = render(web_proxy_https_port=port)
    assert f"return 301 {origin};" in site
    assert "https://$host" not in site
    assert f"listen 0.0.0.0:{port} ssl" in site


def test_the_port_for_redirects_can_be_left_to_another_site() -> None:
    assert "listen 0.0.0.0:80 default_server;" in render()
    shared = render(web_proxy_disable_default_site=False)
    assert "listen 0.0.0.0:80;" in shared
    assert ":80 default_server" not in shared
    assert ":80" not in render(web_proxy_http_port=0)


def answering(site: str) -> int:
    """Count the places that answer by HTTPS with a head of nginx's own.

    nginx forgets the outer add_header wherever there is an inner one, so each of them has its own.
    """
    others = ("return 404;\n    }", "    location @https ", "    location @headless ")
    return site.count("    location ") - sum(map(site.count, others))


def test_strict_transport_security_is_sent_from_every_place_or_from_none() -> None:
    assert "Strict-Transport-Security: max-age" not in render(web_proxy_hsts_seconds=0)
    assert "Strict-Transport-Security max-age" not in render(web_proxy_hsts_seconds=0)
    site = render(web_proxy_hsts_seconds=60)
    places = answering(site)
    assert site.count("add_header Strict-Transport-Security max-age=60 always;") == places


def test_nothing_of_the_satellite_interface_is_there_unless_it_is_switched_on() -> None:
    site = render()
    for word in ("manage.", "lightship_plain", "lightship_satellite", "proxy_pass http://lightship_plain", "418"):
        assert word not in site
    assert re.findall(r"proxy_pass (\S+);", site) == [
        "https://lightship_notebook",
        "http://lightship_registry$lightship_page",
        "http://lightship_registry/enter?next=$arg_next",
        "http://lightship_registry$lightship_page",
        "http://lightship_registry",
        "http://lightship_registry$lightship_page",
    ]


def test_links_in_the_clear_and_others_share_neither_a_place_nor_kept_connections() -> None:
    site = render(web_proxy_satellite=True)
    found = places(site)
    links = "*.notebooks.example.org"
    assert "proxy_pass https://lightship_notebook;" in found[f"{links} /"]
    assert "proxy_ssl_verify on;" in found[f"{links} /"]
    assert "proxy_pass http://lightship_plain;" in found[f"{links} @plain"]
    assert "proxy_ssl" not in found[f"{links} @plain"]
    for upstream, asks in (("lightship_notebook", "connect()"), ("lightship_plain", "connect_plain()")):
        block = site.split(f"upstream {upstream} {{")[1].split("\n}")[0]
        assert f'require("lightship").{asks}' in block
        assert "keepalive_time 50s;" in block


def test_what_is_refused_for_links_is_refused_for_links_in_the_clear() -> None:
    found = places(render(web_proxy_satellite=True))
    secure, plain = (found[f"*.notebooks.example.org {place}"] for place in ("/", "@plain"))
    lines = {line.strip() for line in secure.splitlines() if "proxy_ssl" not in line and "proxy_pass" not in line}
    missing = {line for line in lines if not line.startswith(("#", "/", "{"))} - {
        line.strip() for line in plain.splitlines()
    }
    # The token of such a link is its maker's affair: its notebook asks for it in its own way.
    assert missing == {'header_filter_by_lua_block { require("lightship_answers").filter(true) }'}
    assert 'require("lightship_answers").filter(false)' in plain


@pytest.mark.parametrize("host", ["manage.notebooks.example.org", "notebooks.example.org"])
def test_reports_on_jobs_have_a_limit_of_their_own_and_the_same_answer_beyond_it(host: str) -> None:
    site = render(web_proxy_satellite=True, web_proxy_satellite_rate=7)
    found = places(site)
    others, reports = found[rf"{host} ~ ^/[a-z-]+\.cgi$"], found[f"{host} = /update-jobs.cgi"]
    assert re.findall(r"limit_req .*", others) == ["limit_req zone=lightship_satellite burst=35 nodelay;"]
    assert re.findall(r"limit_req .*", reports) == ["limit_req zone=lightship_reports burst=10 nodelay;"]
    assert "limit_req_zone $binary_remote_addr zone=lightship_reports:4m rate=1r/s;" in site

    def rest(text: str) -> list[str]:
        return [line for line in text.splitlines()[1:] if "limit_req " not in line]

    assert rest(reports) == rest(others)
    assert "limit_req_status 429;" in reports
    assert "lightship_reports" not in render()


def test_a_request_that_names_two_hosts_reaches_the_registry_from_nowhere() -> None:
    """As in `GET https://one/ HTTP/1.1` with `Host: two`: one chooses the server, and the other what answers."""
    asking = {}
    for place, text in places(render(web_proxy_satellite=True)).items():
        if "proxy_pass http://lightship_registry" in text:
            before = text.split("proxy_pass")[0]
            checked = re.search(r'require\("lightship_origins"\)\.(names_two_hosts)\(\)', before)
            answers = re.findall(r"if \(\$lightship_two_hosts\) \{\s+return 400 '(.*)\\n';\n", before)
            asking[place] = (bool(checked), *answers)
    text = "The request names two hosts."
    assert {place: found for place, found in asking.items() if not place.startswith("*.")} == {
        "registry.notebooks.example.org /v1/": (
            True,
            '{"error": "The request names two hosts.", "code": "bad-request"}',
        ),
        r"manage.notebooks.example.org ~ ^/[a-z-]+\.cgi$": (True, f"Oops! {text}"),
        "manage.notebooks.example.org = /update-jobs.cgi": (True, f"Oops! {text}"),
        r"notebooks.example.org ~ ^/[a-z-]+\.cgi$": (True, f"Oops! {text}"),
        "notebooks.example.org = /update-jobs.cgi": (True, f"Oops! {text}"),
        "notebooks.example.org /": (True, text),
    }
    # A link's own server checks this together with where a request comes from.
    assert sorted(asking.keys() - {place for place in asking if not place.startswith("*.")}) == [
        "*.notebooks.example.org = /.lightship/enter",
        "*.notebooks.example.org @instead",
        "*.notebooks.example.org ^~ /.lightship/",
    ]
    origins = render(template="lightship_origins.lua.j2")
    assert "function origins.names_two_hosts()" in origins


def test_strict_transport_security_is_sent_from_the_satellite_locations_too() -> None:
    site = render(web_proxy_satellite=True, web_proxy_hsts_seconds=60)
    places = answering(site)
    assert site.count("add_header Strict-Transport-Security max-age=60 always;") == places
