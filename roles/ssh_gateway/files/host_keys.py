#!/usr/bin/env -S python3 -B
"""Replace the host keys of this host's sshd in steps: first both are announced, then the new ones are alone.

Of two keys of a kind, sshd proves itself by the one that it reads first, and announces both to ssh, which remembers
what it did not know (UpdateHostKeys). One key listed twice makes ssh ignore the whole announcement. A drop-in says the
order while two are there; in the end the new keys have the old ones' names, and sshd's configuration is as before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

DROP_IN = Path("/etc/ssh/sshd_config.d/05-lightship-host-keys.conf")
# Beside the drop-in while the new keys come first: the order before, to which `undo` goes back.
BEFORE = DROP_IN.with_suffix(".before")
SSHD = "/usr/sbin/sshd"
NEXT, OLD = ".lightship-next", ".lightship-old"
HEAD = "# Ansible managed, until the replacement of the host keys is finished: see rotate_certificates.yml\n"
UNDO = "lightship-host-keys-undo"
# So long may the control machine take to see whether it would be let in.
UNDO_SECONDS = 180
# How long the new keys are announced before the old ones go.
OVERLAP_SECONDS = 86400
TRIES = 20
SECONDS = 60
# As ssh-keygen shows a kind, and the option by which it makes one.
KINDS = {"ED25519": "ed25519", "ECDSA": "ecdsa", "RSA": "rsa"}
RSA_BITS = 3072


class RefusedError(Exception):
    """It cannot be done; the text says why, and what to do."""


def tried(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program."""
    command = [str(each) for each in arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False
    )


def run(*arguments: str | Path) -> str:
    """Run a program, and return what it printed; an error if it fails."""
    done = tried(*arguments)
    if done.returncode:
        raise RefusedError(f"{arguments[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def effective(word: str) -> list[str]:
    """The values of one of sshd's settings, as it reads its files now."""
    lines = (line.partition(" ") for line in run(SSHD, "-T").splitlines())
    return [value for name, _, value in lines if name == word]


def beside(key: Path, suffix: str) -> Path:
    """Where another key lies while one is replaced."""
    return key.with_name(key.name + suffix)


def public(key: Path) -> str:
    """The public half of a key, kind and blob."""
    return " ".join(run("ssh-keygen", "-y", "-f", key).split()[:2])


def described(key: Path) -> tuple[int, str, str]:
    """How many bits a key has, its fingerprint and its kind."""
    bits, fingerprint, *_, kind = run("ssh-keygen", "-l", "-f", key).split()
    return int(bits), fingerprint, kind.strip("()")


def named(keys: Sequence[Path]) -> str:
    """The keys by kind and fingerprint."""
    return ", ".join(f"{kind} {fingerprint}" for _, fingerprint, kind in map(described, keys))


def present_keys() -> list[Path]:
    """The files of the host keys that sshd has, without those that come next."""
    keys = [Path(path) for path in effective("hostkey") if not path.endswith(NEXT)]
    # The list of defaults names files that need not be there.
    return [key for key in dict.fromkeys(keys) if key.exists()]


def require_ordinary(keys: Sequence[Path]) -> None:
    """Refuse what cannot be replaced in this way."""
    for word in ("hostcertificate", "hostkeyagent"):
        if [value for value in effective(word) if value != "none"]:
            raise RefusedError(f"sshd has {word} set: replace its keys where they are signed or kept.")
    if not keys:
        raise RefusedError("sshd has no host key in a file. Make them: ssh-keygen -A")
    for key in keys:
        if (kind := described(key)[2]) not in KINDS:
            raise RefusedError(f"{key} is a key of the kind {kind}. Take it out of sshd's configuration.")


def make_next(key: Path) -> Path:
    """Make a key of the kind of another one, and at least as long."""
    bits, _, kind = described(key)
    made = beside(key, NEXT)
    size = max(bits, RSA_BITS) if kind == "RSA" else bits
    name = f"root@{os.uname().nodename}"
    run("ssh-keygen", "-q", "-t", KINDS[kind], "-b", str(size), "-N", "", "-C", name, "-f", made)
    return made


def write(path: Path, content: bytes, mode: int, owner: os.stat_result | None = None) -> None:
    """Replace a file at once."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if owner:
        os.chown(temporary, owner.st_uid, owner.st_gid)
    temporary.chmod(mode)
    temporary.replace(path)


def list_keys(keys: Sequence[Path]) -> None:
    """Have the drop-in name these keys in this order, and see that sshd has no others."""
    write(DROP_IN, (HEAD + "".join(f"HostKey {key}\n" for key in keys)).encode(), 0o644)
    listed, wanted = effective("hostkey"), [str(key) for key in keys]
    if listed != wanted:
        # Files that others configured stand twice, or after the drop-in.
        own = ", ".join(key for key in listed if listed.count(key) > 1 or key not in wanted)
        raise RefusedError(
            f"sshd's configuration has HostKey lines of its own, for {own}. Take them out: without them sshd has the "
            "same keys by default."
        )


def reload(service: str) -> None:
    """Have sshd test its configuration and read it again; connections go on."""
    run("systemctl", "reload", service)


def served() -> set[str]:
    """The keys by which sshd proves itself, one of each kind, asked by ssh's own protocol."""
    places = (value.rpartition(":") for value in effective("listenaddress"))
    address, port = min(
        ((ip_address(host.strip("[]")), port) for host, _, port in places), key=lambda place: place[0].version
    )
    loopback = "127.0.0.1" if address.version == 4 else "::1"
    host = loopback if address.is_unspecified else str(address)
    done = tried("ssh-keyscan", "-T", "5", "-p", port, "-t", ",".join(KINDS.values()), host)
    return {" ".join(line.split()[1:3]) for line in done.stdout.splitlines() if not line.startswith("#")}


def see(keys: Sequence[Path]) -> None:
    """Wait until sshd, which is away for a moment when it is reloaded, proves itself by these keys alone.

    It need not use every kind.
    """
    wanted = {public(key) for key in keys}
    for _ in range(TRIES):
        if (shown := served()) and shown <= wanted:
            return
        time.sleep(1)
    raise RefusedError(f"sshd does not prove itself by {named(keys)}. See: journalctl -u ssh")


@contextmanager
def put_back(undo: Callable[[], None]) -> Iterator[None]:
    """Undo what was done so far if the rest fails."""
    try:
        yield
    except BaseException as error:
        undo()
        if isinstance(error, RefusedError):
            raise RefusedError(f"{error} Everything is as it was before.") from error
        raise


def clear(keys: Sequence[Path]) -> None:
    """Remove keys that are not in use, and what an interrupted run left."""
    BEFORE.unlink(missing_ok=True)
    for key in keys:
        for suffix in (NEXT, f"{NEXT}.pub", OLD):
            beside(key, suffix).unlink(missing_ok=True)


def begin(service: str) -> dict[str, object]:
    """Make new keys, which sshd announces beside the present ones."""
    if DROP_IN.exists():
        raise RefusedError("The last replacement is not finished. Finish it first: -e lightship_finish=true")
    keys = present_keys()
    require_ordinary(keys)
    clear(keys)

    def remove() -> None:
        DROP_IN.unlink(missing_ok=True)
        clear(keys)
        reload(service)

    with put_back(remove):
        made = [make_next(key) for key in keys]
        list_keys([*keys, *made])
        reload(service)
        see(keys)
    return {"new": named(made), "old": named(keys)}


def require_known(service: str, since: float) -> None:
    """Refuse to go on while there are clients that cannot know the new keys."""
    moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(since))
    main = run("systemctl", "show", "--property=MainPID", "--value", service).strip()
    # Each is served by a child of the process that listens; a reload keeps both.
    shown = tried("ps", "-o", "etimes=", "--ppid", main).stdout if main != "0" else ""
    if older := [age for age in map(int, shown.split()) if time.time() - age < since]:
        raise RefusedError(
            f"Connections from before {moment}, when the new keys were announced, are open ({len(older)}): ssh learns "
            "them only when it connects. Finish later, or now with -e lightship_now=true: such a client will be warned."
        )
    if time.time() < since + OVERLAP_SECONDS:
        raise RefusedError(
            f"The new keys are announced since {moment}, less than a day: who has not connected since would be warned "
            "of an attack. Finish later, or now with -e lightship_now=true."
        )


def present(service: str, *, now: bool) -> dict[str, object]:
    """Have sshd prove itself by the new keys and announce the old ones; undone by itself unless `finish` comes soon."""
    keys = present_keys()
    if not DROP_IN.exists():
        clear(keys)
        raise RefusedError("No replacement is under way. Begin one, without -e lightship_finish=true")
    made = [beside(key, NEXT) for key in keys]
    since = made[0].stat().st_mtime
    if not now:
        require_known(service, since)
    if not BEFORE.exists():
        shutil.copy2(DROP_IN, BEFORE)
    back = f"mv -f {BEFORE} {DROP_IN} && systemctl reload {service}"
    tried("systemctl", "stop", f"{UNDO}.timer")
    timer = (f"--unit={UNDO}", f"--on-active={UNDO_SECONDS}", "--timer-property=AccuracySec=1s")
    run("systemd-run", "--quiet", "--collect", *timer, "/bin/sh", "-c", back)
    with put_back(lambda: undo(service)):
        list_keys([*made, *keys])
        reload(service)
        see(made)
    return {"new": named(made), "old": named(keys), "lines": [public(key) for key in made], "since": int(since)}


def undo(service: str) -> None:
    """Undo `present`."""
    tried("systemctl", "stop", f"{UNDO}.timer")
    if BEFORE.exists():
        BEFORE.replace(DROP_IN)
        reload(service)


def finish(service: str) -> dict[str, object]:
    """Give the new keys the old ones' names, and remove the old ones."""
    tried("systemctl", "stop", f"{UNDO}.timer")
    if not BEFORE.exists():
        raise RefusedError("It took too long, so the old keys are first again. Run this once more.")
    keys = present_keys()
    for key in keys:
        if not (kept := beside(key, OLD)).exists():
            write(kept, key.read_bytes(), 0o600, key.stat())

    def restore() -> None:
        for key in keys:
            install(beside(key, OLD), key)
            beside(key, OLD).unlink()
        BEFORE.replace(DROP_IN)
        reload(service)

    with put_back(restore):
        for key in keys:
            install(beside(key, NEXT), key)
        DROP_IN.unlink()
        if set(present_keys()) != set(keys):
            raise RefusedError(f"Without {DROP_IN} sshd would have other keys than {', '.join(map(str, keys))}.")
        reload(service)
        see(keys)
    clear(keys)
    return {}


def install(source: Path, key: Path) -> None:
    """Put a key and its public half in place of another one."""
    seen = key.stat()
    write(key, source.read_bytes(), seen.st_mode & 0o777, seen)
    write(key.with_name(f"{key.name}.pub"), f"{public(key)} root@{os.uname().nodename}\n".encode(), 0o644)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one step, and print what there is to say of it, as JSON."""
    parser = argparse.ArgumentParser(description="Replace the host keys of this host's sshd.")
    parser.add_argument("step", choices=("begin", "present", "finish", "undo"))
    parser.add_argument("service", help="the name of sshd's unit")
    parser.add_argument("--now", action="store_true", help="do not wait for clients that cannot know the new keys")
    asked = parser.parse_args(arguments)
    steps: dict[str, Callable[[], object]] = {
        "begin": lambda: begin(asked.service),
        "present": lambda: present(asked.service, now=asked.now),
        "finish": lambda: finish(asked.service),
        "undo": lambda: undo(asked.service),
    }
    try:
        print(json.dumps(steps[asked.step]()))
    except (RefusedError, OSError, subprocess.TimeoutExpired) as error:
        # Not to standard error: Ansible may run this with a terminal, and then that has other text as well.
        print(" ".join(str(error).split()))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
