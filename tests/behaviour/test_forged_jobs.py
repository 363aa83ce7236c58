"""Another user puts text into jobs of their own, for whoever reads the scheduler's answers to take for more."""

from __future__ import annotations

import shlex

from support import bed, clusters

HERE = clusters.here()


def texts(job: str) -> list[str]:
    """Return twenty texts that say that a job is over, in every form in which an answer may be read."""
    number = job.partition(".")[0]
    over = f"Job Id: {job}\n    Job_Owner = alice@{HERE.login}\n    job_state = F\n    Exit_status = 0"
    record = f'"{job}":{{"job_state":"F","Job_Owner":"alice@{HERE.login}","Exit_status":0}}'
    line = f"{job}|FAILED|NonZeroExitCode|alice"
    breaks = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u010a\u010a"]
    return [
        *(f"x{each}{line}{each}{over.replace(chr(10), each)}{each}" for each in breaks),
        f'x"}},{record},"y":{{"z":"',
        f'x\\"}}}},{record}',
        f"x\\n{over}".replace("\n", "\\n"),
        f"x\t{number}\tCANCELLED\tF",
        f"\x1b[2J\x1b[H{line}",
        f"</script><script>alert({number})</script>",
        f"$(scancel {job}; qdel {job})`qdel {job}`",
        "x" * 4000 + "\n" + over,
        "\udcff\udcfe\n" + over,
    ]


def seen_anew(name: str) -> None:
    """Have the agent look at all jobs at once, and wait until it has told the registry of this one."""
    HERE.run("systemctl restart lightship-agent")
    before = bed.record(name)["job_seen_at"]
    bed.eventually(lambda: bed.record(name)["job_seen_at"] > before, "the registry hears no more of the job")


def test_twenty_texts_in_jobs_of_another_user_change_nothing() -> None:
    with HERE.left_in_the_queue("alice", f"-t 5 -- {HERE.hold}", HERE.held_words) as waiting:
        try:
            # Some the scheduler itself refuses.
            submits = [HERE.with_text(shlex.quote(text)) for text in texts(waiting.job)]
            bed.run(HERE.login, "\n".join(submits), user="mallory", check=False)
            assert len(HERE.jobs_of("mallory")) >= len(submits) // 2
            seen_anew(waiting.name)
            row = bed.record(waiting.name)
            assert (row["state"], row["job_state"], row["cause"]) == ("waiting", "held", ""), row
            assert HERE.held_words in HERE.run("start-jupyter list", "alice")
            assert "alert(" not in HERE.waiting_page(waiting)
            HERE.release(waiting.job)
            bed.eventually(lambda: bed.answers(waiting), "the job does not begin")
        finally:
            HERE.cancel_all("mallory")
