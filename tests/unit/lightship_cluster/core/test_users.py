from __future__ import annotations

import os
import pwd

import pytest

from lightship_cluster.core.users import user_name


def test_a_user_has_the_name_that_the_host_knows() -> None:
    assert user_name(os.getuid()) == pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize("uid", [3999999999, 1 << 40])
def test_a_number_that_is_nobodys_has_no_name(uid: int) -> None:
    assert user_name(uid) is None
