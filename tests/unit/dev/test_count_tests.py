"""What the end of a run says of its tests."""

from __future__ import annotations

from pathlib import Path

import count_tests
import pytest

REPORT = """<?xml version="1.0"?>
<testsuites><testsuite tests="4">
  <testcase classname="tests.a" name="test_good"/>
  <testcase classname="tests.a" name="test_bad"><failure message="assert 1 ==&#10;  2">long</failure></testcase>
  <testcase classname="tests.a" name="test_broken"><error message="no fixture">long</error></testcase>
  <testcase classname="tests.a" name="test_left_out"><skipped message="why"/></testcase>
</testsuite></testsuites>
"""


def test_each_failure_and_what_was_not_run_is_named_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.xml").write_text(REPORT)
    assert count_tests.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "NOT RUN tests.a::test_left_out: why",
        "FAILED tests.a::test_bad: assert 1 == 2",
        "FAILED tests.a::test_broken: no fixture",
        "1 passed, 2 failed, 1 not run",
    ]


def test_a_run_without_a_test_has_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert count_tests.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out == "0 passed, 0 failed\n"


def test_the_tests_that_took_long_come_first_and_the_longest_of_them_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = "".join(f'<testcase classname="tests.a" name="test_{time}" time="{time}"/>' for time in (12.4, 9.9, 130))
    (tmp_path / "a.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert count_tests.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "   130 s  tests.a::test_130",
        "    12 s  tests.a::test_12.4",
        "3 passed, 0 failed",
    ]
