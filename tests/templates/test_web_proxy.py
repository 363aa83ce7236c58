"""What the site's variables make of nginx's configuration; what it then does is tested on a host."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightship_cluster.app_proxy import pages
from lightship_protocol.centre import CONTACT, GUIDE, NAME, Centre, CentreError, centre_of
from lightship_registry.pages import events, page_auth
from support import role_templates

ROLE = Path(__file__).parents[2] / "roles" / "web_proxy"
DEBIAN_12 = {"os_family": "Debian", "distribution": "Debian", "distribution_version": "12.11"}
DEBIAN_13 = {**DEBIAN_12, "distribution_version": "13.1", "all_ipv6_addresses": ["2001:db8::1"]}


def render(facts: dict[str, Any] = DEBIAN_12, template: str = "nginx/site.conf.j2", **variables: Any) -> str:
    """Return a file of the role's for a host with these facts and variables."""
    site = {"web_proxy_domain": "notebooks.example.org", "ansible_managed": "", **variables}
    return role_templates.render("web_proxy", template, ansible_facts=facts, **site)


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
        "/.lightship/authority": "/authority",
        "/.lightship/certificates": "/certificates",
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


def test_the_web_servers_and_the_registry_set_the_same_cookie() -> None:
    lua = {path.name: path.read_text(encoding="utf-8") for path in (ROLE / "templates").glob("*/*.lua.j2")}
    assert f'TOKEN_COOKIE = "{page_auth.COOKIE}"' in lua["lightship_tokens.lua.j2"]
    assert f"MOST_TOKENS = {page_auth.MOST_TOKENS}\n" in lua["lightship_tokens.lua.j2"]
    assert (
        f'"{page_auth.COOKIE}=" .. token .. "; Path=/; Max-Age={page_auth.COOKIE_SECONDS}; '
        in lua["lightship_answers.lua.j2"]
    )
    apache = render(template="apache/lightship.conf.j2")
    assert f'"{page_auth.COOKIE}=%{{lightship-token}}e; Path=/; Max-Age={page_auth.COOKIE_SECONDS}; ' in apache


def test_every_module_of_the_lua_program_is_installed() -> None:
    named = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
    for folder, modules in (
        ("lua", "__web_proxy_lua_modules"),
        ("nginx", "__web_proxy_nginx_lua_modules"),
        ("apache", "__web_proxy_apache_lua_modules"),
    ):
        found = sorted(path.name.removesuffix(".lua.j2") for path in ROLE.glob(f"templates/{folder}/*.lua.j2"))
        assert sorted(named[modules]) == [f"{folder}/{name}" for name in found]


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
        template="lua/lightship_pages.lua.j2",
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


def test_every_page_of_the_web_servers_own_is_used_and_there_is_no_other() -> None:
    fixed = {"name": "jupyter", "target": "https://localhost:8888", "users": "/etc/users", "client_authority": "/etc/x"}
    used = re.findall(r'require\("lightship_pages"\)\.(\w+)', render(web_proxy_fixed_notebooks=[fixed]))
    assert set(used) == {*own_pages(Centre()), "headless"}
    apache = "".join(render(template=f"apache/{path.name}") for path in ROLE.glob("templates/apache/*.lua.j2"))
    used = re.findall(r'(?:replies\.page\(r, |shown\()\d+, "(\w+)"', apache)
    # Apache has "unreachable" for every failure behind it.
    assert set(used) == {*own_pages(Centre())} - {"unavailable", "outside", "certificate"}


def test_a_slow_head_is_waited_for_as_briefly_before_a_connection_has_named_its_server_as_after() -> None:
    servers = render(web_proxy_satellite=True).split("\nserver {")[1:]
    assert len([server for server in servers if "default_server" in server]) == 2
    for server in servers:
        for times in ("client_header_timeout 20s;", "client_body_timeout 60s;", "send_timeout 60s;"):
            assert times in server
        assert "large_client_header_buffers 4 32k;" in server


@pytest.mark.parametrize("name", ["*.", "", "jupyter."])
def test_people_get_a_page_for_each_error_wherever_it_happens(name: str) -> None:
    fixed = [
        {"name": "jupyter", "target": "https://localhost:8888", "users": "/etc/users"},
        {"path": "/jupyter", "target": "http://localhost:8889"},
    ]
    site = render(web_proxy_fixed_notebooks=fixed)
    (server,) = (
        part for part in site.split("\nserver {")[1:] if f"server_name {name}notebooks.example.org;" in part[:99]
    )
    pages = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["__web_proxy_error_pages"]
    assert {400, 404, 413, 414, 421, 429, 431, 502, 503, 504} <= pages.keys()
    for status, page in pages.items():
        (place,) = set(re.findall(rf" error_page {status} (\S+);", server))
        location = server.split(f"location {'= ' if place.startswith('/') else ''}{place} {{")[1].split("\n    }\n")[0]
        assert f'require("lightship_pages").{page} }}' in location
        assert f"return {status} $lightship_own_page;" in location
    # What nginx forgets of the outer ones where there is an inner one.
    everywhere = {f"error_page {status}" for status in pages} | {"error_page 494"}
    for location in server.split("\n    location ")[1:]:
        found = set(re.findall(r"error_page \d+", location.split("\n    }\n")[0]))
        assert not found or found >= everywhere


@pytest.mark.parametrize("name", ["registry", "manage"])
def test_programs_get_an_answer_for_each_error(name: str) -> None:
    site = render(web_proxy_satellite=True)
    (server,) = (part for part in site.split("\nserver {")[1:] if f"server_name {name}.notebooks" in part[:99])
    kind = {"registry": "application/json", "manage": "text/plain"}[name]
    for status in (400, 404, 413, 414, 421, 429, 431, 494, 500, 502, 503, 504):
        (place,) = set(re.findall(rf" error_page [^;]*\b{status}\b[^;]* (\S+);", server))
        location = server.split(f"location {'= ' if place.startswith('/') else ''}{place} {{")[1].split("\n    }\n")[0]
        assert f"default_type {kind};" in location
        if name == "registry":
            (text,) = re.findall(r"return \d+ '(.*)';", location)
            assert json.loads(text).keys() == {"error", "code"}


def test_a_line_of_the_log_is_json_with_the_names_of_a_convention_and_without_a_secret() -> None:
    (form,) = re.findall(r"log_format lightship escape=json '(.*)';", render())
    line = json.loads(re.sub(r"(?<=:)(\$\w+)(?=[,}])", r'"\1"', form))
    assert list(line) == [
        *("time", "client.address", "server.address", "http.request.method", "url.path", "network.protocol.version"),
        *("http.response.status_code", "http.response.body.size", "http.server.request.duration"),
        "user_agent.original",
    ]
    for variable in ("$request", "$request_uri", "$args", "$http_referer", "$uri", "$http_cookie"):
        assert variable not in line.values()


def test_names_without_a_notebook_have_a_limit_of_their_own() -> None:
    site = render(web_proxy_unknown_rate=7)
    assert "limit_req_zone $binary_remote_addr zone=lightship_unknown:4m rate=7r/s;" in site
    limited = {
        place: re.findall(r"limit_req zone=(\w+)", text)
        for place, text in places(site).items()
        if "lightship_registry" in text and not place.startswith("registry.")
    }
    assert limited.pop("*.notebooks.example.org @instead") == ["lightship_unknown"]
    assert set(map(tuple, limited.values())) == {("lightship_pages",)}


def test_http2_is_asked_for_as_each_nginx_understands_it() -> None:
    assert "listen 0.0.0.0:443 ssl http2;" in render(DEBIAN_12)
    assert "http2 on;" not in render(DEBIAN_12)
    assert "listen 0.0.0.0:443 ssl;" in render(DEBIAN_13)
    assert "http2 on;" in render(DEBIAN_13)


def test_http3_is_offered_where_the_site_wants_it_and_nowhere_else() -> None:
    assert "quic" not in render(DEBIAN_13)
    assert "Alt-Svc" not in render(DEBIAN_13).replace("proxy_hide_header Alt-Svc;", "")
    site = render(DEBIAN_13, web_proxy_http3=True)
    *ours, last = (server for server in site.split("\nserver {")[1:] if " ssl" in server)
    for server in ours:
        assert re.findall(r"listen (.*) quic;", server) == re.findall(r"listen (.*) ssl;", server)
    # A socket for each worker, once for each address.
    assert re.findall(r"listen (\S+) quic (.*);", last.split("\n}")[0]) == [
        ("0.0.0.0:443", "reuseport default_server"),
        ("[::]:443", "reuseport default_server"),
    ]
    assert site.count("reuseport") == 2
    assert site.count("add_header Alt-Svc 'h3=\":443\"; ma=86400' always;") == site.count("add_header Strict-Transport")


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
    assert "add_header Strict-Transport-Security" not in render(web_proxy_hsts_seconds=0)
    assert "Strict-Transport-Security" not in render(template="lua/lightship_pages.lua.j2", web_proxy_hsts_seconds=0)
    site = render(web_proxy_hsts_seconds=60)
    places = answering(site)
    assert site.count('add_header Strict-Transport-Security "max-age=60" always;') == places


@pytest.mark.parametrize(("subdomains", "value"), [(False, "max-age=60"), (True, "max-age=60; includeSubDomains")])
def test_whether_names_under_the_domain_are_included_is_the_sites_choice(subdomains: bool, value: str) -> None:
    site = render(web_proxy_hsts_seconds=60, web_proxy_hsts_subdomains=subdomains)
    assert set(re.findall(r"Strict-Transport-Security (.*) always;", site)) == {f'"{value}"'}
    lua = render(template="lua/lightship_pages.lua.j2", web_proxy_hsts_seconds=60, web_proxy_hsts_subdomains=subdomains)
    assert f'"Strict-Transport-Security: {value}",' in lua


def test_tls_is_as_in_version_6_of_mozillas_intermediate_guideline() -> None:
    """As https://ssl-config.mozilla.org/guidelines/6.0.json has it; its first group needs OpenSSL 3.5."""
    ciphers = [
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        *("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"),
    ]
    groups = ["X25519", "prime256v1", "secp384r1"]
    for facts, expected in ((DEBIAN_12, groups), (DEBIAN_13, ["X25519MLKEM768", *groups])):
        site = render(facts)
        for directive, value in (
            ("ssl_protocols", "TLSv1.2 TLSv1.3"),
            ("ssl_ciphers", ":".join(ciphers)),
            ("ssl_prefer_server_ciphers", "off"),
            ("ssl_ecdh_curve", ":".join(expected)),
            ("ssl_session_timeout", "1d"),
        ):
            found = re.findall(rf"^    {directive} (.*);$", site, re.MULTILINE)
            # In every server for browsers, the one for unknown names included.
            assert found == [value] * site.count("ssl_prefer_server_ciphers")
    assert "max-age=63072000" in render()


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
        assert f'require("lightship_nginx").{asks}' in block
        assert "keepalive_time 50s;" in block


def test_what_is_refused_for_links_is_refused_for_links_in_the_clear() -> None:
    found = places(render(web_proxy_satellite=True))
    secure, plain = (found[f"*.notebooks.example.org {place}"] for place in ("/", "@plain"))
    lines = {line.strip() for line in secure.splitlines() if "proxy_ssl" not in line and "proxy_pass" not in line}
    missing = {line for line in lines if not line.startswith(("#", "/", "{"))} - {
        line.strip() for line in plain.splitlines()
    }
    # The token of such a link is its maker's affair: its notebook asks for it in its own way.
    assert missing == {'header_filter_by_lua_block { require("lightship_nginx").filter(true) }'}
    assert 'require("lightship_nginx").filter(false)' in plain


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
    origins = render(template="lua/lightship_origins.lua.j2")
    assert "function origins.names_two_hosts()" in origins


def test_strict_transport_security_is_sent_from_the_satellite_locations_too() -> None:
    site = render(web_proxy_satellite=True, web_proxy_hsts_seconds=60)
    places = answering(site)
    assert site.count('add_header Strict-Transport-Security "max-age=60" always;') == places


@pytest.mark.parametrize(
    ("provider", "folder"), [({}, "live"), ({"certificates_provider": "given"}, "lightship/given/live")]
)
@pytest.mark.parametrize(
    ("template", "line"),
    [("nginx/site.conf.j2", "ssl_certificate {};"), ("apache/lightship.conf.j2", "SSLCertificateFile {}")],
)
def test_the_certificate_is_what_its_provider_put_in_place(
    provider: dict[str, Any], folder: str, template: str, line: str
) -> None:
    text = render(template=template, **provider)
    assert re.search(re.escape(line).replace(r"\{\}", rf"/etc/letsencrypt/{folder}/[^/]+/fullchain\.pem"), text)
