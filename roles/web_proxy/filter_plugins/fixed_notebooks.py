"""Filters that check the fixed notebooks of a site and prepare them for the web servers' templates."""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

Notebook: TypeAlias = Mapping[str, Any]

VARIABLE = "web_proxy_fixed_notebooks"
# Names under the domain that have a meaning already, and the form of the links' names.
OWN_NAMES = frozenset({"manage", "ns", "registry"})
LINK_NAME = re.compile(r"[a-z]{3,12}-[a-z]{3,12}-[a-z]{3,12}")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PATH = re.compile(r"(/[A-Za-z0-9_-]+)+")
HOST = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
FILE = re.compile(r"/[A-Za-z0-9._/-]+")
USER = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
# Hashes that both web servers understand: bcrypt, SHA-256 and SHA-512. A web server computes one for each wrong
# password, so those
# that take longer than a tenth of a second are not among them.
PASSWORD = re.compile(
    r"\$2[aby]\$(0[4-9]|10)\$[./A-Za-z0-9]{53}"
    r"|\$5\$(rounds=[1-9][0-9]{3,4}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}"
    r"|\$6\$(rounds=[1-9][0-9]{3,4}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}"
)
LOCALHOST = "localhost"


def fixed_notebook_faults(notebooks: Sequence[Notebook], domain: str) -> list[str]:
    """Return a sentence for each fixed notebook that cannot be, and what to write instead."""
    faults = [
        fault for number, notebook in enumerate(notebooks, start=1) for fault in _faults(number, notebook, domain)
    ]
    # Those that cannot be read cannot be compared.
    return faults or [*_twice(notebooks)]


def fixed_notebooks(
    notebooks: Sequence[Notebook], domain: str, *, logins_folder: str, system_authorities: str
) -> list[dict[str, Any]]:
    """Return the fixed notebooks as the templates of both web servers need them.

    Args:
        notebooks: the site's list, without faults.
        domain: the service's domain.
        logins_folder: where the role writes the logins that are given as a list.
        system_authorities: the file of the authorities that the host trusts anyway.

    Returns:
        For each notebook its `id`, which is a file name too; `host` and `path` of its public address, the path empty
        at a name of its own; `url` of the target and its parts `scheme`, `target_host` and `port`; `resolve`, whether
        that host is a name to be resolved; `verify` and `authority` for TLS to the target; `networks`, `users_file`
        and `client_authority`, empty where the site gives none.
    """
    return [_prepared(notebook, domain, logins_folder, system_authorities) for notebook in notebooks]


def fixed_notebook_logins(notebooks: Sequence[Notebook], logins_folder: str) -> list[dict[str, str]]:
    """Return the `path` and `text` of each file of logins to write. No other filter returns the passwords' hashes."""
    return [
        {"path": _users_file(notebook, logins_folder), "text": "".join(f"{line}\n" for line in notebook["users"])}
        for notebook in notebooks
        if isinstance(notebook.get("users"), list)
    ]


def resolved_addresses(results: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the addresses of each name, from the results of a loop of the module `getent` over `ahosts`."""
    found = {}
    for result in results:
        name = str(result["item"])
        known = (result.get("ansible_facts") or {}).get("getent_ahosts") or {}
        found[name] = [address for address in known if known[address] is not None and "%" not in address]
    return found


def _prepared(notebook: Notebook, domain: str, logins_folder: str, system_authorities: str) -> dict[str, Any]:
    name, path = notebook.get("name") or "", notebook.get("path") or ""
    target = urlsplit(notebook["target"])
    host = target.hostname or ""
    authority = notebook.get("authority") or ""
    # On loopback nobody is in between, and few certificates are for it; with an authority the site says that this one
    # is.
    verify = target.scheme == "https" and (bool(authority) or not _is_loopback(host))
    return {
        "id": _identifier(notebook),
        "host": f"{name}.{domain}" if name else domain,
        "path": path,
        "url": notebook["target"],
        "scheme": target.scheme,
        "target_host": host,
        "port": target.port,
        "resolve": not _address(host),
        "verify": verify,
        "authority": (authority or system_authorities) if verify else "",
        "networks": list(notebook.get("networks") or []),
        "users_file": _users_file(notebook, logins_folder),
        "client_authority": notebook.get("client_authority") or "",
    }


def _identifier(notebook: Notebook) -> str:
    # Neither a name nor a path has a dot in it.
    name, path = notebook.get("name") or "", notebook.get("path") or ""
    return f"name.{name}" if name else "path" + path.replace("/", ".")


def _users_file(notebook: Notebook, folder: str) -> str:
    users = notebook.get("users")
    return f"{folder}/{_identifier(notebook)}" if isinstance(users, list) else str(users or "")


def _faults(number: int, notebook: Notebook, domain: str) -> Iterator[str]:
    name, path = notebook.get("name") or "", notebook.get("path") or ""
    if bool(name) == bool(path):
        yield (
            f"entry {number} of {VARIABLE} has {'both' if name else 'neither'} a name and a path. Give it one of "
            'the two: "name": "jupyter" for an address of its own, or "path": "/jupyter".'
        )
        return
    found = (
        *(_faults_of_name(str(name), domain) if name else _faults_of_path(str(path))),
        *_faults_of_target(notebook, domain),
        *_faults_of_networks(notebook.get("networks")),
        *_faults_of_users(notebook.get("users")),
        *_faults_of_authorities(notebook),
    )
    yield from (f"{VARIABLE}, {name or path}: {fault}" for fault in found)


def _faults_of_name(name: str, domain: str) -> Iterator[str]:
    if not LABEL.fullmatch(name):
        yield (
            "the name must be one label of lower-case letters, digits and hyphens, without dots, because the "
            f"certificate is for names directly under the domain. Write jupyter for https://jupyter.{domain}/."
        )
    elif name in OWN_NAMES:
        yield f"{name}.{domain} belongs to the service itself. Choose another name."
    elif LINK_NAME.fullmatch(name):
        yield (
            "three words with hyphens are the name of a link, which somebody may be given. Choose a name with fewer "
            "hyphens."
        )


def _faults_of_path(path: str) -> Iterator[str]:
    if not PATH.fullmatch(path):
        yield (
            "the path must be of letters, digits, hyphens and underscores, with a slash before each part and none "
            "at the end. Write /jupyter, the same as ServerApp.base_url of that Jupyter."
        )


def _faults_of_target(notebook: Notebook, domain: str) -> Iterator[str]:
    text = str(notebook.get("target") or "")
    target, port = _split(text)
    host = target.hostname or ""
    shown = f"the target is {re.sub('//.*@', '//...@', text) or 'missing'}"
    if target.scheme not in {"http", "https"} or not host:
        yield f"{shown}. Write the scheme, host and port, e.g. https://node5.example.org:8888 or http://localhost:8888."
    elif "@" in target.netloc:
        yield f"{shown}, with a user or a password. Take them out; the notebook asks for its token or password itself."
    elif port is None:
        yield (
            f"{shown}, without a valid port. Write the port on which Jupyter listens, e.g. "
            f"{target.scheme}://{host}:8888."
        )
    elif text != f"{target.scheme}://{target.netloc}":
        yield (
            f"{shown}. Write no path: requests arrive with the path that the browser asked for; set "
            "ServerApp.base_url there."
        )
    elif _address(host) is None and (not HOST.fullmatch(host) or target.netloc.lower() != target.netloc):
        yield f"{shown}, and {host} is neither a host's name in lower case nor an address. Write one of the two."
    elif host == domain or host == f"{notebook.get('name')}.{domain}":
        yield f"{shown}, which is this proxy itself. Write the host on which Jupyter runs."
    else:
        yield from _faults_of_way(shown, target.scheme, host, notebook)


def _faults_of_way(shown: str, scheme: str, host: str, notebook: Notebook) -> Iterator[str]:
    address = _address(host)
    if address and (address.is_unspecified or address.is_multicast):
        yield f"{shown}, where nothing can be reached. Write localhost if Jupyter runs on this host."
    elif scheme == "http" and not _is_loopback(host):
        yield (
            f"{shown}: in the clear, everybody on the way could read its token and run code. Give that Jupyter a "
            "certificate (ServerApp.certfile) and write https, or forward a port of this host to it with ssh -N -L "
            "and write localhost."
        )
    elif scheme == "https" and address and (notebook.get("authority") or not _is_loopback(host)):
        yield (
            f"{shown}: web servers check certificates by name, not by address. Write the name that its certificate "
            "is for."
        )
    elif notebook.get("authority") and scheme == "http":
        yield (
            f"{shown}, so there is no certificate that authority could have signed. Take authority out, or write https."
        )


def _faults_of_networks(networks: object) -> Iterator[str]:
    if networks is None:
        return
    if not isinstance(networks, list) or not networks:
        yield (
            'networks must be a list with at least one network, e.g. ["192.0.2.0/24"]. Leave it out to '
            "let everybody ask."
        )
        return
    for text in map(str, networks):
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            yield (
                f'networks has "{text}", which is no network. Write an address and a prefix length, e.g. 192.0.2.0/24.'
            )
            continue
        if str(network) != text:
            yield f'networks has "{text}", which is not how that network is written. Write {network}.'
        elif network.prefixlen == 0:
            yield f'networks has "{text}", which is everybody. Leave networks out for that.'


def _faults_of_users(users: object) -> Iterator[str]:
    if users is None:
        return
    if isinstance(users, str):
        if not FILE.fullmatch(users):
            yield (
                "users is neither the absolute path of a file on the proxy host nor a list of lines as in such a file. "
                "Write one of the two."
            )
        return
    if not isinstance(users, list) or not users:
        yield "users must be a file on the proxy host or a list with at least one line. Leave it out for no login."
        return
    seen: set[str] = set()
    for number, line in enumerate(map(str, users), start=1):
        user, _, password = line.partition(":")
        # No part of the line but the name may be shown.
        if not USER.fullmatch(user):
            yield (
                f"line {number} of users has no valid name before its colon. Write NAME:HASH, as `htpasswd -nB NAME` "
                "prints it."
            )
        elif not PASSWORD.fullmatch(password):
            yield (
                f"the password of user {user} is not hashed in a form that is safe and fast enough. Write what "
                "`openssl passwd -6` prints after the colon, or the whole line from `htpasswd -nB NAME`."
            )
        elif user in seen:
            yield f"user {user} has two lines. Keep one."
        seen.add(user)


def _faults_of_authorities(notebook: Notebook) -> Iterator[str]:
    for key in ("authority", "client_authority"):
        text = notebook.get(key)
        if text and not FILE.fullmatch(str(text)):
            yield f"{key} is {text!r}. Write the absolute path of a file on the proxy host."
    if notebook.get("client_authority") and notebook.get("path"):
        yield (
            "a browser shows a certificate to a host, not to a path, and the domain's pages are for everybody. Give "
            "the notebook a name instead of a path, or use users instead of client_authority."
        )


def _twice(notebooks: Sequence[Notebook]) -> Iterator[str]:
    for one, other in itertools.combinations(notebooks, 2):
        where = [str(notebook.get("name") or notebook.get("path")) for notebook in (one, other)]
        if where[0] == where[1]:
            yield f"{VARIABLE} has {where[0]} twice. Keep one of the two."
        elif one.get("path") and other.get("path") and _one_is_below(*where):
            yield (
                f"{VARIABLE} has {where[0]} and {where[1]}, and one is below the other: each would get the other's "
                "requests and cookies. Move one of them."
            )
        if _place(one) == _place(other):
            yield (
                f"{VARIABLE} has {where[0]} and {where[1]} with the target {one['target']}. A Jupyter has one "
                "base_url: keep one."
            )


def _place(notebook: Notebook) -> tuple[str | None, int | None]:
    target, port = _split(notebook["target"])
    return target.hostname, port


def _one_is_below(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        target = urlsplit(text)
    except ValueError:
        return urlsplit(""), None
    try:
        return target, target.port or None
    except ValueError:
        return target, None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == LOCALHOST or (address is not None and address.is_loopback)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {
            "fixed_notebook_faults": fixed_notebook_faults,
            "fixed_notebook_logins": fixed_notebook_logins,
            "fixed_notebooks": fixed_notebooks,
            "resolved_addresses": resolved_addresses,
        }
