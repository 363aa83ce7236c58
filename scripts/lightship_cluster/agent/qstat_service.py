"""`lightship-qstat`: runs PBS's `qstat` for the agent, which cannot run it.

`qstat` authenticates by `pbs_iff`, which is set-user-id root. The agent's unit lets no program gain privileges, and
with a port below 1024 the agent would be a manager of PBS: the server takes a client on such a port for another server.
So this unit runs qstat as an ordinary user that owns nothing else on the host, and only for the questions in
`qstat_protocol`. systemd hands it the socket, which only the agent's group may use.
"""

from __future__ import annotations

import argparse
import os
import socket
import stat
import sys
from collections.abc import Sequence
from typing import Any

from lightship_cluster.agent.qstat_protocol import LONGEST_QUESTION, BadMessage, allowed, receive, send
from lightship_cluster.core.errors import ExitStatus, LightshipError
from lightship_cluster.schedulers.base import ask
from lightship_cluster.schedulers.pbs_records import shortened

# The first descriptor that systemd passes.
LISTENER = 3
QUESTION_SECONDS = 5.0
ANSWER_SECONDS = 30.0
# Longer than every attribute that is used. One user's jobs with megabytes of variables must not make the answer too
# long for everybody.
LONGEST_ATTRIBUTE = 1000


def main(argv: Sequence[str] | None = None) -> ExitStatus:
    """Answer one question after another: PBS gets at most one connection from here."""
    argparse.ArgumentParser(prog="lightship-qstat", description="Runs PBS's qstat for the agent.").parse_args(argv)
    try:
        listener = _listener()
    except LightshipError as error:
        print(error.sentence, file=sys.stderr)
        return error.status
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                answer_one(connection)
            except OSError:
                continue  # the client has gone


def answer_one(connection: socket.socket) -> None:
    """Read a question, run qstat, and send what it printed."""
    try:
        answer = _answered(receive(connection, QUESTION_SECONDS, LONGEST_QUESTION))
    except BadMessage as error:
        answer = _refused(f"The question is {error}.")
    except LightshipError as error:
        answer = _refused(error.sentence)
    connection.settimeout(ANSWER_SECONDS)
    send(connection, answer)


def _answered(question: dict[str, Any]) -> dict[str, Any]:
    arguments = question.get("arguments")
    if not isinstance(arguments, list) or not all(isinstance(word, str) for word in arguments):
        return _refused("The question has no list of arguments.")
    if not allowed(arguments):
        return _refused("These arguments of qstat are not for the agent.")
    done = ask(["qstat", *arguments])
    printed = done.stdout
    if "-D" in arguments:
        printed = shortened(printed, arguments[arguments.index("-D") + 1], LONGEST_ATTRIBUTE)
    return {"status": done.returncode, "printed": printed, "complaints": done.stderr}


def _refused(sentence: str) -> dict[str, Any]:
    return {"error": sentence}


def _listener() -> socket.socket:
    handed = os.environ.get("LISTEN_FDS") == "1" and os.environ.get("LISTEN_PID") == str(os.getpid())
    if not handed or not stat.S_ISSOCK(os.fstat(LISTENER).st_mode):
        raise LightshipError("systemd starts this program by lightship-qstat.socket.", ExitStatus.USAGE)
    return socket.socket(fileno=LISTENER)
