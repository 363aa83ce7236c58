from __future__ import annotations

from lightship_cluster.config.options import BUILT_IN, OPTIONS, SETTINGS


def test_flags_and_settings_have_one_meaning_each() -> None:
    flags = [flag for option in OPTIONS for flag in option.flags]

    assert len(flags) == len(set(flags))
    assert len(SETTINGS) == len([option for option in OPTIONS if option.setting])


def test_what_is_built_in_can_be_said_in_settings_too() -> None:
    for name, option in SETTINGS.items():
        assert option.read_setting("") == BUILT_IN[name]
