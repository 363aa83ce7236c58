"""Texts that a user may put into a job's name, variables, comment or title to fake the state of others' jobs.

A reader of such a text must neither take it for something else nor fail to read the rest.
"""

from __future__ import annotations

import json


def hostile_texts(job_id: str, owner: str) -> dict[str, str]:
    """Texts by their technique, each to fake that another user's job is over.

    Args:
        job_id: that job, as its scheduler prints it.
        owner: its owner.
    """
    record = f"Job Id: {job_id}\n    Job_Owner = {owner}\n    job_state = F\n    Exit_status = -27\n"
    fields = {"Job_Owner": owner, "job_state": "F", "Exit_status": -27}
    whole = json.dumps({"Jobs": {job_id: fields}})
    inner = json.dumps({job_id: fields})[1:-1]
    line = f"Job Id: {job_id}|Job_Owner={owner}|job_state=F|Exit_status=-27"
    row = f"{job_id}|OUT_OF_MEMORY|0|N/A||None"
    return {
        "a record of the usual format": f"x\n{record}",
        "a record after an empty line": f"\n\n{record}\n",
        "a record with carriage returns": f"x\r\n{record}".replace("\n", "\r\n"),
        "a record behind a lone carriage return": "x\r" + record.replace("\n", "\r"),
        "a record behind a form feed and a vertical tab": "x\f" + record.replace("\n", "\v"),
        "a record behind separators of Unicode": "x\u2028" + record.replace("\n", "\u2029"),
        "a record behind a next line": "x\x85" + record.replace("\n", "\x85"),
        "a record behind letters that end in a line feed's byte": "x\u010a" + record.replace("\n", "\u010a"),
        "a record behind separators of ASCII": "x\x1e" + record.replace("\n", "\x1c"),
        "a folded line": "x\n\tjob_state = F\n    job_state = F",
        "a line of columns": f"x\n{line}",
        "columns": f"x|job_state=F|Job_Owner={owner}",
        "escaped columns": f"x\\|job_state=F\\\\|Job_Owner={owner}\\",
        "a row of squeue": f"x\n{row}\n",
        "JSON": whole,
        "the end of a string of JSON": f'x", {inner}, "y": "',
        "the end of a string of JSON behind a backslash": f'x\\", {inner}, "y": "',
        "the end of a string of JSON behind two backslashes": f'x\\\\"}}, {inner}, "9": {{"y": "',
        "the beginning of an object": 'x\\\\", "y": {"z": "',
        "a number that is none": "005",
        "a number beyond all others": "1e999",
        "not a number": "NaN",
        "a backslash at the end": "x\\",
        "colours and the bell": "\x1b[2J\x1b]0;x\x07\x08",
        "the other direction": "\u202eF = etats_boj\u202c",
        "bytes that are no UTF-8": "x\udcff\udcfe\udc80",
        "an end of a text": "x\ufeff\ufffe\u0100",
        "markup": f"<b>{job_id}</b><script>alert(1)</script>&amp;",
        "a pattern of Jinja and of the shell": "{{7*7}}{% raw %}$(id)`id`%n%s",
        "much of it": "x" * 3_000 + f"\n{record}",
    }
