from __future__ import annotations

import re

from lightship_cluster.options import BUILT_IN, OPTIONS, SETTINGS
from unit.lightship_cluster.test_errors import GUIDE


def test_every_option_is_in_the_guide_and_no_other() -> None:
    table = GUIDE.split("## Options")[1].split("\n## ")[0]
    told = set(re.findall(r"(?<=`)--?[a-zA-Z][a-z-]*|(?<=`)--(?= )", table))

    assert told == {flag for option in OPTIONS for flag in option.flags} | {"-h", "--help", "--version"}


def test_flags_and_settings_have_one_meaning_each() -> None:
    flags = [flag for option in OPTIONS for flag in option.flags]

    assert len(flags) == len(set(flags))
    assert len(SETTINGS) == len([option for option in OPTIONS if option.setting])


def test_what_is_built_in_can_be_said_in_settings_too() -> None:
    for name, option in SETTINGS.items():
        assert option.read_setting("") == BUILT_IN[name]
