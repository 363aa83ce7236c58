"""The states of jobs, from outputs of OpenPBS 23.06.06; see recorded.py."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lightship_cluster.core.errors import LightshipError
from lightship_cluster.schedulers import pbs_jobs
from lightship_cluster.schedulers.base import NOBODYS, JobReport, JobState
from lightship_cluster.schedulers.pbs import Pbs
from lightship_cluster.schedulers.pbs_jobs import UNLISTED
from lightship_cluster.schedulers.pbs_records import Question
from support.hostile_texts import hostile_texts
from unit.lightship_cluster.schedulers import recorded
from unit.lightship_cluster.schedulers.recorded import ME

pytestmark = pytest.mark.usefixtures("command")

LIVING, ENDS, WAITING, HOSTILE = (recorded.jobs(file) for file in ("jobs", "ends", "waiting", "hostile"))


def numbers(arguments: list[str]) -> list[str]:
    return [word for word in arguments if word.isdigit() and word != recorded.DELIMITER]


def test_states_reasons_and_owners_are_read(tmp_path: Path) -> None:
    noted = recorded.qstat(tmp_path, "jobs", "living")
    states = Pbs().job_states(LIVING.values())
    by_name = {name: states[job_id] for name, job_id in LIVING.items()}

    assert set(by_name) == set(LIVING)
    said = {name: (job.state, job.reason) for name, job in by_name.items() if job.state not in ("R", "F")}
    assert said == {
        "never": ("Q", "Can Never Run: Insufficient amount of resource: ncpus (R: 640 A: 24 T: 24)"),
        "held": ("H", "u"),
        "waits": ("W", ""),
        "stopped": ("Q", "Not Running: Queue not started."),
        "dependent": ("H", "depend"),
        "operator": ("H", "o"),
        "toobig": ("Q", "Not Running: Insufficient amount of resource: ncpus (R: 24 A: 1 T: 24)"),
        **dict.fromkeys(
            ("ok", "three", "sigkill"), ("Q", "Not Running: Job would conflict with reservation or top job")
        ),
    }
    assert (by_name["running"].node, by_name["running"].uid, by_name["bobs"].uid) == ("pbslab-a", ME.pw_uid, NOBODYS)
    assert len(recorded.calls(noted)) == 1


def pbs_number(job_id: str) -> str:
    return job_id.partition(".")[0]


def test_a_server_of_another_name_is_never_asked(tmp_path: Path) -> None:
    noted = recorded.qstat(tmp_path, "jobs", "living")
    elsewhere = [f"{pbs_number(job_id)}.elsewhere" for job_id in LIVING.values()]
    assert set(Pbs().job_states([*elsewhere, "no job"])) == set(elsewhere)
    assert not [word for call in recorded.calls(noted) for word in call if "elsewhere" in word]


@pytest.mark.parametrize("number", ["1000000000000", "999999999999999", "9999999999999.pbslab-a"])
def test_a_number_that_qstat_does_not_read_hides_no_other(tmp_path: Path, number: str) -> None:
    # OpenPBS 23.06.06: "illegally formed job identifier", and no word of the jobs before it.
    noted = recorded.qstat(tmp_path, "jobs", "living")
    assert set(Pbs().job_states([*LIVING.values(), number])) == set(LIVING.values())
    assert [numbers(call) for call in recorded.calls(noted)] == [sorted(map(pbs_number, LIVING.values()), key=int)]


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("ok", "ended"),
        ("three", "failed"),
        ("sigkill", "failed"),
        ("overtime", "time-limit"),
        ("overtime, signal heard", "time-limit"),
        ("stopped", "cancelled"),
        ("stopped, signal heard", "cancelled"),
        ("deleted while it waited", "cancelled"),
        ("more memory", "out-of-memory"),
        ("more memory, signal heard", "out-of-memory"),
        # The node ends such a job with a plain signal, and says no more.
        ("more processor time", "failed"),
    ],
)
def test_the_history_tells_how_a_job_ended(tmp_path: Path, name: str, ending: str) -> None:
    recorded.qstat(tmp_path, "ends", "ended")
    # Two more still ran.
    everyone = [*ENDS.values(), "272.pbslab-a", "273.pbslab-a"]
    assert Pbs().job_states(everyone)[ENDS[name]].reason == ending


def test_a_job_whose_node_was_lost_says_so(tmp_path: Path) -> None:
    recorded.qstat(tmp_path, "node", "node lost")
    (job_id,) = recorded.jobs("node").values()
    job = Pbs().job_states([job_id])[job_id]
    assert (job.state, job.reason) == ("F", "node-failed")
    assert Pbs().report(job).cause == "node-failed"


def test_those_that_are_over_are_asked_for_in_one_more_question(tmp_path: Path) -> None:
    noted = recorded.qstat(tmp_path, "ends", "ended")
    Pbs().job_states([*ENDS.values(), "272.pbslab-a", "273.pbslab-a"])
    first, second = recorded.calls(noted)
    assert "-x" not in first
    assert "-x" in second
    assert numbers(second) == sorted(map(pbs_number, ENDS.values()), key=int)


@pytest.mark.parametrize(
    ("status", "comment", "ending"),
    [
        ("-1", "", "not-started"),
        ("-4", "", "node-failed"),
        ("-11", "", "requeued"),
        ("-18", "", "hook"),
        ("-24", "", "cores"),
        ("-26", "", "out-of-memory"),
        ("-28", "", "cpu-time"),
        ("-99", "", "failed"),
        # What the server wrote of it counts where another status came with it.
        ("137", "Job run at x and exceeded resource mem", "out-of-memory"),
        ("271", "Job run at x and exceeded resource walltime", "time-limit"),
        ("271", "Job run at x and exceeded resource ncpus (sum)", "cores"),
        ("271", "Job run at x and exceeded resource licences", "cancelled"),
    ],
)
def test_what_pbs_did_to_a_job(status: str, comment: str, ending: str) -> None:
    record = {"job_state": "F", "Exit_status": status, "comment": comment, "Job_Owner": f"{ME.pw_name}@h"}
    assert pbs_jobs.state_of(record, Pbs.endings) == JobState("F", ending, uid=ME.pw_uid)


def test_every_status_of_the_source_has_words() -> None:
    # src/include/job.h: all JOB_EXEC_ but those that no job ends with.
    known = {-number for number in range(1, 31)} - {-8, -9}
    assert set(Pbs.endings) == known
    assert all(Pbs().phrase(JobState("F", ending)) != "the job is over" for ending in Pbs.endings.values())


class TestUnknown:
    def test_one_that_is_silently_left_out_is_asked_for_alone(self, tmp_path: Path) -> None:
        noted = recorded.qstat(tmp_path, "jobs", "living beside one that is unknown")
        states = Pbs().job_states([LIVING["running"], "99999"])
        assert (states[LIVING["running"]].state, states["99999"]) == ("R", UNLISTED)
        assert [numbers(call) for call in recorded.calls(noted)] == [
            [pbs_number(LIVING["running"]), "99999"],
            ["99999"],
        ]

    def test_nor_is_it_hidden_by_one_that_is_over(self, tmp_path: Path) -> None:
        noted = recorded.qstat(tmp_path, "mixed", "one held, one over, one unknown")
        mixed = recorded.jobs("mixed")
        pbs = Pbs()
        for questions in (3, 6):
            states = pbs.job_states([*mixed.values(), "99999"])
            assert (states[mixed["held"]].state, states[mixed["over"]].reason) == ("H", "ended")
            assert states["99999"] == UNLISTED
            assert len(recorded.calls(noted)) == questions
        assert numbers(recorded.calls(noted)[2]) == ["99999"]

    def test_a_complaint_about_one_is_about_all_of_them(self, tmp_path: Path) -> None:
        noted = recorded.qstat(tmp_path, "jobs", "unknown")
        assert Pbs().job_states(["99998", "99999"]) == {"99998": UNLISTED, "99999": UNLISTED}
        assert len(recorded.calls(noted)) == 2

    def test_it_is_over_whether_it_was_ever_listed_or_not(self) -> None:
        # With a cause, for the server itself says so: a link that waits ends, and one whose node fell silent.
        told = JobReport("ended", "The job is over and no longer listed.", cause="ended")
        assert Pbs().report(UNLISTED) == told
        assert Pbs().over(UNLISTED.state)

    def test_a_server_without_a_history_says_so_once(self, tmp_path: Path) -> None:
        noted = recorded.qstat(tmp_path, "waiting", "no history")
        pbs = Pbs()
        for expected in (3, 5, 7):
            states = pbs.job_states([WAITING["second"], "99999"])
            assert (states[WAITING["second"]].state, states["99999"]) == ("R", UNLISTED)
            assert len(recorded.calls(noted)) == expected
        assert ["-x" in call for call in recorded.calls(noted)] == [False, True, *[False] * 5]

    def test_one_that_the_history_has_since_is_found(self, tmp_path: Path) -> None:
        recorded.qstat(tmp_path, "node", "node lost")
        pbs = Pbs()
        pbs._history = False
        (job_id,) = recorded.jobs("node").values()
        assert pbs.job_states([job_id])[job_id].state == "F"

    def test_a_hidden_job_is_not_called_over(self, tmp_path: Path) -> None:
        recorded.qstat(tmp_path, "waiting", "hidden")
        with pytest.raises(LightshipError, match=r"query_other_jobs = False.*set server operators"):
            Pbs().job_states([WAITING["first"]])

    def test_a_server_that_is_down_makes_no_job_disappear(self, tmp_path: Path) -> None:
        noted = recorded.qstat(tmp_path, "waiting", "down")
        with pytest.raises(LightshipError, match="cannot connect to server"):
            Pbs().job_states([WAITING["first"]])
        assert len(recorded.calls(noted)) == 1
        assert Pbs().job_states([]) == {}
        assert Pbs().accounted([WAITING["first"]]) == {}


def test_what_waits_is_told_with_its_estimate(tmp_path: Path) -> None:
    recorded.qstat(tmp_path, "waiting", "waiting")
    states = Pbs().job_states(WAITING.values())
    assert Pbs().phrase(states[WAITING["waits for its reservation"]]) == "queued: its reservation has not begun"
    assert states[WAITING["first"]].start == time.mktime((2026, 11, 29, 6, 46, 41, 0, 0, -1))


class TestHostile:
    """What mallory wrote into her jobs, beside two of alice's: one waits, one is over."""

    def test_every_text_was_taken_by_pbs(self) -> None:
        assert set(HOSTILE) == {"live", "over", *hostile_texts("17.pbs", "alice@login")}
        assert len(HOSTILE) > 20

    def test_no_job_is_another_for_it(self, tmp_path: Path) -> None:
        noted = recorded.qstat(tmp_path, "hostile", "hostile")
        states = Pbs().job_states(HOSTILE.values())

        assert set(states) == set(HOSTILE.values())
        live, over = states.pop(HOSTILE["live"]), states.pop(HOSTILE["over"])
        assert live == JobState("H", "u", uid=ME.pw_uid)
        assert (over.state, over.reason, over.uid) == ("F", "ended", ME.pw_uid)
        assert set(states.values()) == {JobState("H", "u", uid=NOBODYS)}
        assert len(recorded.calls(noted)) == 2

    @pytest.mark.parametrize("what", sorted(set(HOSTILE) - {"live", "over"}))
    def test_nothing_is_believed_of_a_job_that_was_not_asked_for(self, what: str) -> None:
        text = recorded.printed("hostile", "hostile")
        mallorys = pbs_number(HOSTILE[what])
        lines = [line for line in text.split("\n") if line.startswith(f"Job Id: {mallorys}.")]
        assert len(lines) == 1
        # Her line is one line, whatever stands in it.
        records = Question(recorded.DELIMITER).records(lines[0], "Job Id")
        assert set(records) == {HOSTILE[what]}
        assert pbs_jobs.by_number(records, ["1"]) == {}
        assert records[HOSTILE[what]]["job_state"] == "H"
        assert records[HOSTILE[what]]["Job_Owner"] == "mallory@pbslab-a"
