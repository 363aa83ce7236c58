"""Runs the migrations for Alembic, inside the transaction of the caller."""

from __future__ import annotations

from alembic import context

# One transaction for all steps, on SQLite too: an interrupted upgrade changes nothing.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
