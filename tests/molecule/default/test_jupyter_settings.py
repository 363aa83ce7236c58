"""The user's own settings for Jupyter: none of them decides who enters, or where Jupyter listens; the others hold."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from lightship_cluster.job.jupyter_guard import decided
from support import bed, cell

SERVER = "/opt/jupyter/bin/python3"
# In one go whatever lets others in, or leads elsewhere. The hash is that of the password secret1.
OWN = """
import os, ssl
from jupyter_server.auth.identity import IdentityProvider, User

class Everybody(IdentityProvider):
    def get_user(self, handler):
        return User("everybody")

os.environ["JUPYTER_TOKEN"] = "secret1"
c.ServerApp.identity_provider_class = Everybody
c.PasswordIdentityProvider.token = ""
c.ServerApp.token = "secret1"
c.ServerApp.allow_unauthenticated_access = True
c.ServerApp.allow_password_change = True
c.ServerApp.authenticate_prometheus = False
c.ServerApp.allow_origin = "*"
c.ServerApp.allow_credentials = True
c.ServerApp.disable_check_xsrf = True
c.ServerApp.cookie_secret = b"known"
c.IdentityProvider.cookie_options = {"domain": ".DOMAIN"}
c.ServerApp.ssl_options = {"cert_reqs": ssl.CERT_NONE, "ssl_version": ssl.PROTOCOL_TLSv1_2}
c.ServerApp.tornado_settings = {"xsrf_cookies": False, "headers": {"X-Own": "kept"}}
c.ServerApp.port = 9999
c.ServerApp.root_dir = "/no/such/folder"
c.FileContentsManager.root_dir = "/etc"
c.ContentsManager.files_handler_class = "tornado.web.StaticFileHandler"
c.ContentsManager.files_handler_params = {"path": "/etc"}
c.ServerApp.preferred_dir = "/etc"
c.AsyncKernelManager.transport = "tcp"
c.Session.key = b""
""".replace("DOMAIN", bed.DOMAIN)
HASH = "sha1:0123456789ab:e5a20ea60e6d3d0d70760600c741552dd5d44ca2"
FORM = json.dumps({"IdentityProvider": {"hashed_password": HASH}})
# The usual last line of recipes, in a script of the user's own; and an OpenSSL that speaks no newer TLS than 1.2.
RECIPE = """#!/bin/bash
#SBATCH --ntasks=1
export OPENSSL_CONF=$HOME/openssl.cnf
exec "$2" "$1" -- jupyter lab --no-browser --ip=0.0.0.0 --port=8888 --port-retries 50 --notebook-dir=/no/such/folder
"""
OPENSSL = "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nMaxProtocol = TLSv1.2\n"
EXTENSION = """
def _jupyter_server_extension_points():
    return [{"module": "everybody"}]

def _load_jupyter_server_extension(app):
    app.identity_provider.token = "secret1"
"""
# A notebook finds the server that it runs in, and asks it for its kernels, as ipynbname.path() does.
OWN_SERVER = """
import json, ssl, subprocess, urllib.request
listed = subprocess.run(["jupyter", "server", "list", "--json"], capture_output=True, text=True).stdout
found = next(each for each in map(json.loads, listed.splitlines()) if "NAME" in each["url"])
trust = ssl.create_default_context(cafile="/shared/lightship/etc/registry-ca.pem")
asked = urllib.request.urlopen(f"{found['url']}api/kernels?token={found['token']}", context=trust, timeout=20)
print(json.dumps([found, json.load(asked)]))
"""

# All that else can be set, class by class: someone has looked at each and found that it does not decide who enters, or
# which pages elsewhere may speak to the server. Code of the user's own (managers, handlers, extensions, an authorizer,
# which can only forbid) is hers. `settings` of an extension are looked at when the server is about to listen.
REVIEWED = {
    "ServerApp": (
        "allow_external_kernels allow_root authorizer_class autoreload browser config_manager_class "
        "contents_manager_class custom_display_url default_url external_connection_dir "
        "extra_log_scrub_param_keys extra_services extra_static_paths extra_template_paths file_to_run "
        "file_url_prefix iopub_data_rate_limit iopub_msg_rate_limit jinja_environment_options "
        "jinja_template_vars jpserver_extensions kernel_manager_class kernel_spec_manager_class "
        "kernel_websocket_connection_class kernel_ws_protocol limit_rate max_body_size max_buffer_size "
        "min_open_files_limit nbconvert_csp_sandbox pylab quit_button rate_limit_window "
        "reraise_server_extension_failures session_manager_class shutdown_no_activity_timeout "
        "static_immutable_cache terminado_settings terminals_enabled use_redirect_file webbrowser_open_new "
        "websocket_compression_options websocket_ping_interval websocket_ping_timeout websocket_url"
    ),
    "JupyterApp": "answer_yes config_file config_file_name generate_config",
    "IdentityProvider": "updatable_fields",
    "ContentsManager": (
        "allow_hidden checkpoints checkpoints_class checkpoints_kwargs event_logger hide_globs post_save_hook "
        "pre_save_hook untitled_directory untitled_file untitled_notebook"
    ),
    "AsyncContentsManager": "checkpoints checkpoints_class checkpoints_kwargs",
    "FileContentsManager": "always_delete_dir delete_to_trash max_copy_folder_size_mb",
    "FileManagerMixin": "hash_algorithm use_atomic_writing",
    "KernelManager": "autorestart cache_ports client_class client_factory shutdown_wait_time transport_encryption",
    "ConnectionFileMixin": "connection_file control_port hb_port iopub_port shell_port stdin_port",
    "MultiKernelManager": "default_kernel_name kernel_manager_class shared_context",
    "AsyncMultiKernelManager": "kernel_manager_class use_pending_kernels",
    "MappingKernelManager": (
        "allow_tracebacks allowed_message_types buffer_offline_messages cull_busy cull_connected "
        "cull_idle_timeout cull_interval kernel_info_timeout traceback_replacement_message "
        "transport_encryption untracked_message_types"
    ),
    "Session": (
        "buffer_threshold check_pid copy_threshold debug digest_history_size item_threshold metadata packer "
        "session signature_scheme unpacker username"
    ),
    "ExtensionApp": "default_url handlers settings static_paths static_url_prefix template_paths",
    "ExtensionAppJinjaMixin": "jinja2_options",
}
# Looked into part by part: see OF_TLS, OF_TORNADO and what is said of a manager of files in the guard.
IN_PARTS = {
    "ssl_options",
    "tornado_settings",
    "preferred_dir",
    "files_handler_class",
    "files_handler_params",
    "root_dir",
}
TRAITS = """
import json
from jupyter_server.auth import authorizer, identity
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
found = {}
more = (ExtensionApp, authorizer.AllowAllAuthorizer, identity.LegacyIdentityProvider)
for kind in (ServerApp, *more, *ServerApp.classes):
    for each in kind.__mro__:
        if hasattr(each, "class_own_traits"):
            found[each.__name__] = sorted(each.class_own_traits(config=True))
print(json.dumps(found))
"""


@pytest.fixture(autouse=True)
def homes_as_they_were() -> Iterator[None]:
    """Take away what the tests put into the user's home."""
    yield
    bed.run("login", "rm -rf .jupyter recipe.sh openssl.cnf everybody.py", user="alice")


def own(file: str, text: str) -> None:
    """Write a file of the user's own."""
    bed.run("login", f'mkdir -p "$(dirname {file})" && cat > {file}', user="alice", text=text)


def enters(notebook: bed.Notebook, **form: str) -> int:
    """What a browser that has filled in Jupyter's form of login is answered with then."""
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        browser.get("/login")
        told = {"_xsrf": browser.cookies["_xsrf"], **form}
        # The client connects by address, so that it keeps cookies and sends none by itself.
        browser.post("/login", data=told, headers={"Origin": notebook.origin, "Cookie": kept(browser)})
        return browser.get("/api/status", headers={"Cookie": kept(browser)}).status_code


def kept(browser: httpx.Client) -> str:
    """The cookies that it was sent, as a browser sends them back."""
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def test_whoever_adds_an_option_to_jupyter_makes_somebody_look_at_it() -> None:
    known = {name: {*text.split(), *decided(name)} for name, text in REVIEWED.items()}
    classes = json.loads(bed.run("node1", f"{SERVER} -W ignore -", text=TRAITS).stdout)
    entry = {name for name in classes if "IdentityProvider" in name or "Authorizer" in name}
    assert {"ServerApp", "IdentityProvider", "PasswordIdentityProvider", "ContentsManager", "Session"} <= {*classes}
    new = {
        f"{name}.{trait}"
        for name in {*known, *entry}
        for trait in classes.get(name, [])
        if trait not in known.get(name, {*decided(name)}) and trait not in IN_PARTS
    }
    assert not new, "decide these in jupyter_guard.py, or add them to REVIEWED"


def test_no_settings_of_the_users_decide_who_enters() -> None:
    own(".jupyter/jupyter_server_config.py", OWN)
    own(".jupyter/jupyter_server_config.json", FORM)
    notebook = bed.start("alice", "-s jupyterlab -t 10")
    with bed.client(f"{notebook.name}.{bed.DOMAIN}") as browser:
        for path in ("/api/status", "/metrics", "/files/passwd", "/api/status?token=secret1", "/api/status?token="):
            assert browser.get(path).status_code in (302, 403), path
        assert "new_password" not in browser.get("/login").text
        browser.headers["Authorization"] = f"token {notebook.token}"
        assert browser.get("/api/status").headers["X-Own"] == "kept", "what decides nothing holds"
        names = {entry["name"] for entry in browser.get("/api/contents").json()["content"]}
        assert "passwd" not in names
        kernel = browser.post("/api/kernels", json={}).json()["id"]
    assert enters(notebook, password="secret1") == httpx.codes.FORBIDDEN
    # The form takes the token, and nothing that shall stand for it from now on.
    assert enters(notebook, password=notebook.token, new_password="secret2") == httpx.codes.OK
    assert enters(notebook, password="secret2") == httpx.codes.FORBIDDEN
    assert "secret2" not in bed.run("login", "cat .jupyter/*", user="alice").stdout
    target = bed.record(notebook.name)["target"]
    where = bed.run("node1", f"cat /tmp/lightship-*/run/kernel-{kernel}.json 2>/dev/null", check=False).stdout
    where += bed.run("node2", f"cat /tmp/lightship-*/run/kernel-{kernel}.json 2>/dev/null", check=False).stdout
    assert json.loads(where)["transport"] == "ipc"
    assert json.loads(where)["key"]
    # Whoever is not the proxy is not let in, with the token or without.
    ask = f"curl --insecure --silent --max-time 10 {target}/api/status?token={notebook.token}"
    assert bed.run("login", ask, check=False).returncode
    log = bed.link_file("alice", notebook.name, "job.log")
    for name in (
        "ServerApp.identity_provider_class",
        "IdentityProvider.hashed_password",
        "FileContentsManager.root_dir",
    ):
        assert f"{name} of your Jupyter settings or command line is not used: it is the link's to decide." in log
    bed.stop(notebook)


def test_the_usual_last_line_of_recipes_starts_with_tls_of_yesterday_and_kernels_by_tcp() -> None:
    own("recipe.sh", RECIPE)
    own("openssl.cnf", OPENSSL)
    notebook = bed.start("alice", "-b ./recipe.sh --kernels tcp -t 10")
    log = bed.link_file("alice", notebook.name, "job.log")
    for name in ("--ip", "--port", "--port-retries", "--notebook-dir"):
        assert f"The option {name} of the batch script is not used" in log
    found, kernels = json.loads(cell.run(notebook, OWN_SERVER.replace("NAME", notebook.name)))
    assert len(kernels) == 1
    assert (found["url"], found["token"]) == (f"{notebook.origin}/", notebook.token)
    assert found["root_dir"] == "/home/alice"
    files = cell.run(notebook, "import ipykernel; print(open(ipykernel.get_connection_file()).read())")
    assert json.loads(files)["transport"] == "tcp"
    assert json.loads(files)["ip"] == "127.0.0.1"
    listed = f"grep -ls {notebook.name} .local/share/jupyter/runtime/jpserver-*.json"
    assert bed.run("login", f"stat -c %a $({listed})", user="alice").stdout == "600\n"
    bed.stop(notebook)
    bed.eventually(lambda: bool(bed.run("login", listed, user="alice", check=False).returncode), "still listed")


def test_an_extension_that_changes_who_enters_keeps_jupyter_from_listening() -> None:
    own("everybody.py", EXTENSION)
    own(".jupyter/jupyter_server_config.json", json.dumps({"ServerApp": {"jpserver_extensions": {"everybody": True}}}))
    done = bed.run("login", "PYTHONPATH=$HOME start-jupyter -t 10", user="alice", check=False)
    assert done.returncode == 13
    assert "an extension of your Jupyter change who may enter (IdentityProvider.token)" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
