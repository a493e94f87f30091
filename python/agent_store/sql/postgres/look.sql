SELECT
    (SELECT schemas.oid FROM pg_catalog.pg_namespace AS schemas WHERE schemas.nspname = %s),
    tables.oid,
    pg_catalog.obj_description(tables.oid, 'pg_class'),
    pg_catalog.current_setting('server_encoding'),
    pg_catalog.current_setting('server_version_num')::int
FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_class AS tables
    ON tables.relname = '_agent_store_entries'
    AND tables.relnamespace = (SELECT schemas.oid FROM pg_catalog.pg_namespace AS schemas WHERE schemas.nspname = %s)
