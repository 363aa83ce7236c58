"""What users set for other programs and for Slurm, around a start: real commands, a real allocation, a real job."""

from __future__ import annotations

import json
import re
from pathlib import Path

from lightship_cluster.schedulers import slurm_variables
from lightship_cluster.schedulers.sbatch_names import SBATCH_NAMES
from support import bed, cell

# Of other programs: neither Python nor Slurm would do what start-jupyter needs, if they counted for it.
OTHERS = {
    "LD_LIBRARY_PATH": "/none",
    "SBATCH_DEBUG": "2",
    "SBATCH_REQUEUE": "1",
    "SBATCH_SIGNAL": "KILL@600",
    "SBATCH_WAIT": "1",
    "SQUEUE_FORMAT": "none",
    "SSL_CERT_FILE": "/none",
}
# A venv's own Python needs no PYTHONHOME; ours would not start with it.
WRONG = {"PYTHONHOME": "/opt/x"}
SHOW = f"""
import os, subprocess
print([os.environ.get(name) for name in {sorted(OTHERS)}], os.environ.get("SLURM_MEM_PER_CPU"))
print(subprocess.run(["srun", "hostname"], capture_output=True, text=True))
"""


def test_every_variable_and_option_of_sbatchs_is_decided() -> None:
    manual = bed.run("login", "zcat /usr/share/man/man1/sbatch.1.gz").stdout.replace("\\fB", "").replace("\\fR", "")
    listed = manual.split("INPUT ENVIRONMENT VARIABLES")[1].split("OUTPUT ENVIRONMENT VARIABLES")[0]
    variables = set(re.findall(r"\b(?:SBATCH|SLURM)_[A-Z0-9_]+", listed))
    # Not all that it reads is in its manual.
    variables |= set(bed.run("login", "grep -aoE '\\bSBATCH_[A-Z0-9_]+' /usr/bin/sbatch").stdout.split())
    assert len(variables) > 50
    assert variables <= {*slurm_variables.REFUSED, *slurm_variables.HONOURED, *slurm_variables.DROPPED}
    options = re.findall(r"^ {2,6}(?:-\w, )?--([a-z-]+)", bed.run("login", "sbatch --help").stdout, re.MULTILINE)
    assert len(options) > 80
    assert set(options) <= set(SBATCH_NAMES)


def test_a_notebook_started_within_an_allocation_is_a_job_of_its_own() -> None:
    said = "".join(f"{name}={value} " for name, value in {**OTHERS, **WRONG}.items())
    around = f"salloc --quiet --ntasks=1 --mem-per-cpu=300M env {said}"
    start = "start-jupyter -m 600M -t 10 --venv /opt/jupyter"
    done = bed.run("login", f"{around} {start}", user="alice")
    notebook = bed.notebook("alice", done.stdout + done.stderr)
    job = bed.run("login", f"scontrol show job {notebook.job}").stdout
    shown, ran = cell.run(notebook, SHOW).splitlines()

    assert "Requeue=0" in job
    expected = {**OTHERS, **dict.fromkeys(("SBATCH_DEBUG", "SBATCH_REQUEUE", "SBATCH_SIGNAL", "SBATCH_WAIT"))}
    assert shown == f"{[expected[name] for name in sorted(OTHERS)]} None"
    assert "returncode=0, stdout='node" in ran, ran
    stopped = bed.run("login", f"SCANCEL_STATE=PENDING start-jupyter stop {notebook.name}", user="alice").stdout
    assert stopped == f"{notebook.name} (job {notebook.job}) is stopped.\n"
    assert bed.run("login", f"squeue -h -j {notebook.job} -t RUNNING -o %i").stdout == ""


def test_what_makes_several_jobs_is_refused_as_getopt_reads_it() -> None:
    # sbatch itself takes both for a job array.
    for option in ("--arr=1-3", "-Ha1-3"):
        assert not bed.run("login", f"sbatch --test-only {option} --wrap true", user="bob").returncode
        done = bed.run("login", f"start-jupyter -- {option}", user="bob", check=False)
        assert (done.returncode, "A job array would start" in done.stderr) == (2, True), done
    done = bed.run("login", "SBATCH_ARRAY_INX=1-3 start-jupyter", user="bob", check=False)
    assert (done.returncode, "Type: unset SBATCH_ARRAY_INX" in done.stderr) == (2, True), done


def test_a_program_by_its_path_starts_from_a_folder_that_was_deleted() -> None:
    folder = bed.run("login", "mktemp -d ~/app.XXXXXX", user="bob").stdout.strip()
    script = "#!/bin/sh\\nexec /usr/bin/python3 -m http.server --bind 127.0.0.1 $1\\n"
    bed.run("login", f"printf '{script}' >{folder}/serve.sh; chmod +x {folder}/serve.sh", user="bob")
    there = f"cd {folder} && start-jupyter -d ~ --app './serve.sh {{port}}'"
    done = bed.run("login", there, user="bob", check=False)
    assert (done.returncode, f"There is no program {Path(folder).parent}/serve.sh" in done.stderr) == (5, True), done

    start = f"start-jupyter --json -t 5 -d {folder} --app './serve.sh {{port}}'"
    done = bed.run("login", f"mkdir gone && cd gone && rmdir ~/gone && {start}", user="bob")
    events = {event["event"]: event for event in map(json.loads, done.stdout.splitlines())}
    assert "ready" in events
    done = bed.run("login", f"mkdir gone && cd gone && rmdir ~/gone && {start} -b own.sh", user="bob", check=False)
    assert (done.returncode, json.loads(done.stdout)["event"]) == (4, "failed")
    bed.run("login", f"start-jupyter stop {events['link']['name']}; rm -r {folder}", user="bob")
