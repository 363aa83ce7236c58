"""The keys with which users' machines may open tunnels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "ssh_keys",
        sa.Column("cluster", sa.String(32), primary_key=True),
        sa.Column("user", sa.String(64), primary_key=True),
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(4096), nullable=False),
        sa.Column("comment", sa.String(100), nullable=False),
        sa.Column("added_at", sa.Float, nullable=False),
    )
