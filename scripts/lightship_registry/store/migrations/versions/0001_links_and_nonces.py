"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "links",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("cluster", sa.String(32), nullable=False),
        sa.Column("user", sa.String(64), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("title", sa.String(100), nullable=False),
        sa.Column("command", sa.String(500), nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("job_state", sa.String(16), nullable=False),
        sa.Column("job_reason", sa.String(200), nullable=False),
        sa.Column("job_start", sa.Float(), nullable=False),
        sa.Column("job_seen_at", sa.Float(), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("tail", sa.String(4000), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("ready_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("certificate_sha256", sa.String(64), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=False),
    )
    op.create_index("links_of_owner", "links", ["cluster", "user", "state"])
    op.create_index("links_by_creation", "links", ["cluster", "user", "created_at"])
    op.create_index("links_by_end", "links", ["state", "expires_at"])
    op.create_index("links_by_target", "links", ["target", "ended_at"])
    live = sa.text("state = 'ready'")
    op.create_index(
        "one_live_link_per_target", "links", ["target"], unique=True, sqlite_where=live, postgresql_where=live
    )
    op.create_table(
        "nonces",
        sa.Column("cluster", sa.String(32), primary_key=True),
        sa.Column("nonce", sa.String(32), primary_key=True),
        sa.Column("seen_at", sa.Float(), nullable=False),
    )
