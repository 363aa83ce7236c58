"""Renames the interface of Satellite's clients, in a link's `api` and in its owner's name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

BEFORE, NOW = "ancestor", "satellite"


def upgrade() -> None:
    """Rename existing values. PostgreSQL enforces the length of a column, which was too short."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("links", "api", type_=sa.String(16))
    links = sa.table("links", sa.column("api", sa.String), sa.column("user", sa.String))
    theirs = links.c.api == BEFORE
    renamed = sa.func.replace(links.c.user, f"{BEFORE}:", f"{NOW}:")
    op.execute(links.update().where(theirs).values(api=NOW, user=renamed))
