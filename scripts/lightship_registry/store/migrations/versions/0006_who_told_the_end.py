"""Who reported the end of a link: the scheduler may correct what the job reported."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, and an index for the few links that ended lately."""
    op.add_column("links", sa.Column("told_by", sa.String(16), nullable=False, server_default=""))
    op.create_index("links_by_teller", "links", ["told_by", "ended_at"])
