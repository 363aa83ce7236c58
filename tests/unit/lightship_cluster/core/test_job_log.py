from __future__ import annotations

from pathlib import Path

from lightship_cluster.core.job_log import last_lines, log_of, scheduler_log
from lightship_cluster.core.link_folder import LinkFolder


def test_the_log_is_cut_to_its_end(tmp_path: Path) -> None:
    folder = LinkFolder.create(tmp_path, "one-two-three", {}, "s", "t")
    folder.log.write_text("\n".join(str(number) for number in range(1000)))
    assert last_lines(folder, 15) == [str(number) for number in range(985, 1000)]

    folder.remove()
    assert last_lines(folder, 15) == []


def test_nothing_of_it_drives_a_terminal(tmp_path: Path) -> None:
    folder = LinkFolder.create(tmp_path, "one-two-three", {}, "s", "t")
    folder.log.write_bytes(b"\x1b[1;31mred\x1b[0m\n\x1b]0;title\x07\n\n\xff\n")
    assert last_lines(folder, 15) == ["red", "]0;title", "\ufffd"]


def test_where_the_script_wrote_nothing_the_schedulers_own_file_speaks(tmp_path: Path) -> None:
    folder = LinkFolder.create(tmp_path, "one-two-three", {}, "s", "t")
    scheduler_log(folder.log).write_text("/var/spool/pbs/17.SC: line 3: cd: No such file or directory\n")
    assert last_lines(folder, 15) == ["/var/spool/pbs/17.SC: line 3: cd: No such file or directory"]
    assert log_of(folder) == scheduler_log(folder.log)

    folder.log.write_text("started\n")
    assert last_lines(folder, 15) == ["started"]
    assert log_of(folder) == folder.log
