"""Which interface made a link, and where one of Satellite's will listen; those before were all made by our own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add two columns; the server's defaults are for the service that still runs with the tables of the step before."""
    op.add_column("links", sa.Column("api", sa.String(16), nullable=False, server_default="v1"))
    op.add_column("links", sa.Column("announced", sa.String(64), nullable=False, server_default=""))
