"""Run by alembic: migrates over the connection that `connector.store.engine.migrate` hands in."""

from alembic import context

from connector.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
