"""The program to which a plain HTTP link is bound; running links are bound at the next check."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add a column. It has a default because the previous version of the service may still insert rows."""
    op.add_column("links", sa.Column("program_mark", sa.String(64), nullable=False, server_default=""))
