"""What Alembic runs: the migrations, inside the transaction of whoever called it."""

from __future__ import annotations

from alembic import context

# One transaction for all steps, on SQLite too: an interrupted upgrade leaves the store as it was.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
