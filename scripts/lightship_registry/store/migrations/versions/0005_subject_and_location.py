"""What a link leads to, and where its job runs; for the owner's page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COLUMNS = {"subject": 8, "node": 64, "partition": 64, "folder": 500}


def upgrade() -> None:
    """Add the columns."""
    for name, length in COLUMNS.items():
        op.add_column("links", sa.Column(name, sa.String(length), nullable=False, server_default=""))
