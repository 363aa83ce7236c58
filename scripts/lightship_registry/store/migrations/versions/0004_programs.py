"""Which program a link in the clear is bound to; those that run are bound at the next look."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column; the server's default is for the service that still runs with the tables of the step before."""
    op.add_column("links", sa.Column("program_mark", sa.String(64), nullable=False, server_default=""))
