from __future__ import annotations

import pytest
from sqlalchemy import Dialect, Insert, Select, Update
from sqlalchemy.dialects import postgresql, sqlite

from lightship_registry.store import statements

ALL = {
    name: value
    for name, value in vars(statements).items()
    if name.isupper() and isinstance(value, Select | Update | Insert)
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_is_built_once_and_understood_by_both_databases(name: str) -> None:
    dialects: tuple[Dialect, ...] = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]
    for dialect in dialects:
        assert "links" in str(ALL[name].compile(dialect=dialect))


def test_each_change_is_of_one_link_and_conditional() -> None:
    for change in (statements.CLAIM, statements.PUBLISH, statements.RENEW, statements.END):
        text = str(change.compile())
        assert "links.name = :of_name AND" in text
