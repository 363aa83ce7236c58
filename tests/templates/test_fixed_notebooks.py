"""Which fixed notebooks the role of the web server refuses, and what nginx's configuration makes of the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import filter_loader
from ansible.template import Templar, trust_as_template

Render = Callable[..., str]
ROLE = Path(__file__).resolve().parents[2] / "roles" / "web_proxy"
DOMAIN = "notebooks.example.org"
FACTS = {"os_family": "Debian", "distribution": "Debian", "distribution_version": "12.11"}
TARGET = "https://node5.example.org:8888"
# The password is "secret", in each form that is accepted.
BCRYPT = "$2b$05$aaaaaaaaaaaaaaaaaaaaaOjOHCcGZ1ZydhnG2lX11qSmiRJbsbsA."
SHA256 = "$5$R/OgtIWDLW3WgCkU$Dqn48wfWpWMv7xsgdpHTvpfjdmH/F2S1zt2l1vY.nG/"
SHA512 = "$6$oGEXXI7Y8Dg0G9pB$GI8HFZ9.IRz9govJn/pWyFAvwx6hQRLpwxdIAknxBYLA0NNenpbjNRrsRk1Dvj3SvEMmB1QiYZl5vCPjtwh780"
LOGIN = f"alice:{SHA512}"


def filtered(name: str, *arguments: Any, **named: Any) -> Any:
    """Return what one of the role's filters makes of its arguments."""
    return filter_loader.get(name).j2_function(*arguments, **named)


@pytest.fixture
def faults() -> Callable[..., list[str]]:
    """Return a function that returns what is wrong with entries for the inventory."""
    return lambda *notebooks: list(filtered("fixed_notebook_faults", list(notebooks), DOMAIN))


def entry(**values: Any) -> dict[str, Any]:
    """Return an entry of the list, with a path and a target unless the test says otherwise."""
    found = {"path": "/jupyter", "target": TARGET, **values}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize(
    "good",
    [
        entry(),
        entry(path="/a/b_c-D"),
        entry(path=None, name="jupyter"),
        entry(path=None, name="my-jupyter2"),
        entry(path=None, name="ab-cd-ef"),
        entry(target="http://localhost:8888"),
        entry(target="http://127.0.0.2:8888"),
        entry(target="http://[::1]:8888"),
        entry(target="https://127.0.0.1:8888"),
        entry(target="https://localhost:8888", authority="/etc/ssl/own.pem"),
        entry(target="https://node5:8888"),
        entry(networks=["192.0.2.0/24", "2001:db8::/32", "198.51.100.7/32"]),
        entry(users=[LOGIN, f"bob:{BCRYPT}", f"carol@example.org:{SHA256}"]),
        entry(users="/etc/lightship/users"),
        entry(path=None, name="jupyter", client_authority="/etc/ssl/people.pem"),
    ],
)
def test_what_a_site_may_want_is_accepted(good: dict[str, Any], faults: Callable[..., list[str]]) -> None:
    assert faults(good) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (entry(path=None), "neither a name and a path"),
        (entry(name="jupyter"), "both a name and a path"),
        *((entry(path=None, name=name), "belongs to the service") for name in ("registry", "manage", "ns")),
        (entry(path=None, name="quiet-river-stone"), "name of a link"),
        *(
            (entry(path=None, name=name), "one label")
            for name in ("a.b", "Jupyter", "-a", "a_b", "a" * 64, "_dmarc", "*")
        ),
        *(
            (entry(path=path), "Write /jupyter")
            for path in (
                "jupyter",
                "/",
                "/jupyter/",
                "/a//b",
                "/a/../b",
                "/.lightship",
                "/a b",
                "/a%20",
                "/getlink.cgi",
                "/ä",
            )
        ),
        *(
            (entry(target=target), "Write the scheme, host and port")
            for target in ("", "node5:8888", "ftp://node5:8888", "https://:8888", "unix:/run/x", "https://[::1:8888")
        ),
        (entry(target="https://alice:secret@node5:8888"), "Take them out"),
        *(
            (entry(target=target), "Write the port")
            for target in ("https://node5", "http://localhost:0", "https://node5:99999")
        ),
        *((entry(target=f"https://node5:8888{rest}"), "Write no path") for rest in ("/", "/jupyter", "?token=a", "#a")),
        *(
            (entry(target=f"https://{host}:8888"), "neither a host's name")
            for host in ("node_5", "Node5", "node5.", "a;b", "$host", "no{de")
        ),
        (entry(target=f"https://{DOMAIN}:443"), "this proxy itself"),
        (entry(path=None, name="jupyter", target=f"https://jupyter.{DOMAIN}:443"), "this proxy itself"),
        (entry(target="http://0.0.0.0:8888"), "nothing can be reached"),
        (entry(target="http://10.1.2.3:8888"), "in the clear"),
        (entry(target="http://node5.example.org:8888"), "in the clear"),
        (entry(target="https://10.1.2.3:8888"), "by name, not by address"),
        (entry(target="https://127.0.0.1:8888", authority="/etc/ssl/own.pem"), "by name, not by address"),
        (entry(target="http://localhost:8888", authority="/etc/ssl/own.pem"), "Take authority out"),
        (entry(networks=[]), "Leave it out"),
        (entry(networks=["10.0.0.1/24"]), "Write 10.0.0.0/24"),
        (entry(networks=["192.0.2.1"]), "Write 192.0.2.1/32"),
        (entry(networks=["everywhere"]), "no network"),
        (entry(networks=["::/0"]), "everybody"),
        (entry(users=[]), "Leave it out"),
        (entry(users="users"), "absolute path"),
        (entry(users=["alice"]), "not hashed"),
        (entry(users=[f":{SHA512}"]), "no valid name"),
        (entry(users=[LOGIN, LOGIN]), "two lines"),
        *(
            (entry(users=[f"alice:{password}"]), "not hashed")
            for password in (
                *("secret", "{PLAIN}secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "$apr1$a$b", "rl.3StKT.4T8M"),
                *(f"$2y$14${BCRYPT[7:]}", f"{SHA512}\nbob:x", "$y$j9T$a$b", SHA512.replace("$6$", "$6$rounds=999999$")),
            )
        ),
        (entry(authority="own.pem"), "absolute path"),
        (entry(client_authority="/etc/ssl/people.pem"), "to a host, not to a path"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(
    bad: dict[str, Any], said: str, faults: Callable[..., list[str]]
) -> None:
    (fault,) = faults(bad)
    assert said in fault
    # Nothing secret is in a message.
    assert "secret" not in fault
    assert "$6$" not in fault


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (entry(target="https://node6:8888"), "twice"),
        (entry(path="/jupyter/b", target="https://node6:8888"), "one is below the other"),
        (entry(path="/b"), "with the target"),
        (entry(path=None, name="jupyter", target="https://node5.example.org:08888"), "with the target"),
    ],
)
def test_two_that_are_in_each_others_way_are_refused(
    other: dict[str, Any], said: str, faults: Callable[..., list[str]]
) -> None:
    (fault,) = faults(entry(), other)
    assert said in fault
    assert faults(entry(path="/jupyterx", target="https://node6:8888"), entry()) == []


PATH = entry(target="http://localhost:8888")
NAMED = entry(path=None, name="jupyter", networks=["192.0.2.0/24"], users=[LOGIN])
OWN = entry(path="/own", target="https://node7:8888", authority="/etc/ssl/own.pem", users="/etc/own-users")
PEOPLE = entry(path=None, name="people", target="https://127.0.0.1:8889", client_authority="/etc/ssl/people.pem")
ALL = [PATH, NAMED, OWN, PEOPLE]


def test_both_servers_templates_get_all_that_they_need() -> None:
    where = {"logins_folder": "/logins", "system_authorities": "/etc/ssl/all.pem"}
    path, named, own, people = filtered("fixed_notebooks", ALL, DOMAIN, **where)
    assert path == {
        "id": "path.jupyter",
        "host": DOMAIN,
        "path": "/jupyter",
        "url": "http://localhost:8888",
        "scheme": "http",
        "target_host": "localhost",
        "port": 8888,
        "resolve": True,
        "verify": False,
        "authority": "",
        "networks": [],
        "users_file": "",
        "client_authority": "",
    }
    assert (named["id"], named["host"], named["path"]) == ("name.jupyter", f"jupyter.{DOMAIN}", "")
    assert (named["verify"], named["authority"]) == (True, "/etc/ssl/all.pem")
    assert (named["networks"], named["users_file"]) == (["192.0.2.0/24"], "/logins/name.jupyter")
    assert (own["verify"], own["authority"], own["users_file"]) == (True, "/etc/ssl/own.pem", "/etc/own-users")
    assert (people["verify"], people["resolve"], people["client_authority"]) == (False, False, "/etc/ssl/people.pem")
    assert len({one["id"] for one in (path, named, own, people)}) == len(ALL)
    # Ansible shows the items of loops over this list.
    assert SHA512 not in repr((path, named, own, people))
    assert filtered("fixed_notebook_logins", ALL, "/logins") == [{"path": "/logins/name.jupyter", "text": f"{LOGIN}\n"}]


def test_names_are_resolved_before_nginx_sees_them(render: Render) -> None:
    results = [
        {
            "item": "node5.example.org",
            "ansible_facts": {"getent_ahosts": {"10.1.2.3": [["STREAM"]], "2001:db8::3": []}},
        },
        {"item": "nowhere", "ansible_facts": {"getent_ahosts": {"nowhere": None}}},
    ]
    found = filtered("resolved_addresses", results)
    assert found == {"node5.example.org": ["10.1.2.3", "2001:db8::3"], "nowhere": []}
    text = site(render, [NAMED], __web_proxy_resolved={"results": results[:1]})
    upstream = text.split("upstream lightship_fixed.name.jupyter {")[1].split("}")[0]
    assert re.findall(r"server (\S+) max_fails=0;", upstream) == ["10.1.2.3:8888", "[2001:db8::3]:8888"]
    assert "proxy_ssl_name node5.example.org;" in text


def site(render: Render, notebooks: list[dict[str, Any]], **variables: Any) -> str:
    """Return nginx's configuration with these fixed notebooks."""
    return render(
        "web_proxy",
        "nginx/site.conf.j2",
        ansible_facts=FACTS,
        web_proxy_domain=DOMAIN,
        web_proxy_fixed_notebooks=notebooks,
        **variables,
    )


def servers(text: str) -> dict[str, str]:
    """Return the configuration of each server by its name."""
    return {part.split("server_name ")[1].split(";")[0]: part for part in text.split("\nserver {")[1:]}


def places(server: str) -> dict[str, str]:
    """Return the directives of each location of a server."""
    return {
        part.split(" {")[0]: part.split("\n    }\n")[0].partition("\n")[2]
        for part in server.split("\n    location ")[1:]
    }


def test_without_any_there_is_nothing_of_them(render: Render) -> None:
    text = site(render, [])
    for word in ("lightship_fixed", "lightship_login", "lightship_authorization", "auth_basic", "ssl_verify_client"):
        assert word not in text


def test_a_path_matches_whole_parts_only_and_is_passed_on_unchanged(render: Render) -> None:
    found = places(servers(site(render, [PATH]))[DOMAIN])
    assert "return 307 /jupyter/$is_args$args;" in found["= /jupyter"]
    assert "proxy_pass http://lightship_fixed.path.jupyter;" in found["^~ /jupyter/"]
    assert not [place for place in found if place.startswith(("/jupyter", "~")) or place == "^~ /jupyter"]


def test_what_is_refused_for_links_is_refused_for_fixed_notebooks(render: Render) -> None:
    text = site(render, ALL)
    found = servers(text)
    link = places(found[f"*.{DOMAIN}"])["/"]
    limits = ("limit_conn lightship_addresses 2048;", "limit_conn lightship_links 256;", "limit_conn_status 429;")
    for fixed, base in (
        (places(found[DOMAIN])["^~ /jupyter/"], "/jupyter"),
        (places(found[DOMAIN])["^~ /own/"], "/own"),
        (places(found[f"jupyter.{DOMAIN}"])["/"], ""),
        (places(found[f"people.{DOMAIN}"])["/"], ""),
    ):
        ours = {line.strip() for line in fixed.splitlines()}
        theirs = {line.strip() for line in link.splitlines() if not line.strip().startswith("#")}
        own = ("proxy_pass", "proxy_ssl", "header_filter_by_lua_block", "error_page 500", "proxy_next_upstream")
        assert {line for line in theirs - ours if line and not line.startswith(own)} == set()
        assert {*limits} <= ours
        assert f'return require("lightship_origins").refusal_of_fixed("{base}") }}' in fixed
        assert 'require("lightship_nginx").filter_fixed()' in fixed
        assert "proxy_set_header Authorization $lightship_authorization;" in fixed
    assert '"~*^basic\\b" "";' in text
    # Nothing of a fixed notebook's host is the registry's.
    assert "lightship_registry" not in found[f"jupyter.{DOMAIN}"]


def test_only_over_loopback_is_a_certificate_not_checked(render: Render) -> None:
    found = servers(site(render, ALL))
    domain, named, people = (found[host] for host in (DOMAIN, f"jupyter.{DOMAIN}", f"people.{DOMAIN}"))
    assert "proxy_ssl" not in places(domain)["^~ /jupyter/"]
    for text, name, authority in (
        (places(domain)["^~ /own/"], "node7", "/etc/ssl/own.pem"),
        (places(named)["/"], "node5.example.org", "/etc/ssl/certs/ca-certificates.crt"),
    ):
        assert "proxy_ssl_verify on;" in text
        assert f"proxy_ssl_name {name};" in text
        assert f"proxy_ssl_trusted_certificate {authority};" in text
    assert "proxy_ssl_verify on;" not in people


def test_who_may_come_is_asked_in_each_way_that_the_site_wants(render: Render) -> None:
    text = site(render, ALL, web_proxy_login_rate=7)
    found = servers(text)
    named, people = found[f"jupyter.{DOMAIN}"], found[f"people.{DOMAIN}"]
    assert re.findall(r"(allow|deny) (\S+);", places(named)["/"]) == [("allow", "192.0.2.0/24"), ("deny", "all")]
    assert "auth_basic_user_file /etc/lightship/logins/name.jupyter;" in places(named)["/"]
    assert "auth_basic_user_file /etc/own-users;" in places(found[DOMAIN])["^~ /own/"]
    assert "limit_req zone=lightship_logins burst=28 nodelay;" in places(named)["/"]
    assert "limit_req_zone $lightship_login zone=lightship_logins:4m rate=7r/s;" in text
    assert "ssl_verify_client on;" in people
    assert "ssl_client_certificate /etc/ssl/people.pem;" in people
    assert text.count("ssl_verify_client") == 1
    for free in (places(found[DOMAIN])["^~ /jupyter/"], places(people)["/"]):
        assert "allow " not in free
        assert "auth_basic" not in free
    # No hash is in a file that everybody may read.
    assert SHA512 not in text


@pytest.mark.parametrize(
    ("notebooks", "files"),
    [
        (ALL, ["/etc/ssl/people.pem", "/etc/ssl/own.pem", "/etc/own-users", "/etc/ssl/certs/ca-certificates.crt"]),
        ([], []),
    ],
)
def test_files_that_the_inventory_names_are_looked_for(notebooks: list[dict[str, Any]], files: list[str]) -> None:
    loader = DataLoader()
    known: dict[str, Any] = {}
    for name in ("vars/main.yml", "vars/Debian.yml"):
        known |= loader.load_from_file(str(ROLE / name), trusted_as_template=True)
    known |= {"web_proxy_domain": DOMAIN, "web_proxy_fixed_notebooks": notebooks}
    named = Templar(loader, variables=known).template(trust_as_template("{{ __web_proxy_named_files }}"))
    assert sorted(named) == sorted(files)
