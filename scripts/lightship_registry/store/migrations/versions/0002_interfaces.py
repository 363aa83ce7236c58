"""The interface that made a link, and where Satellite's links announce their notebooks; all earlier links are V1's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add two columns. They have defaults because the previous version of the service may still insert rows."""
    op.add_column("links", sa.Column("api", sa.String(16), nullable=False, server_default="v1"))
    op.add_column("links", sa.Column("announced", sa.String(64), nullable=False, server_default=""))
