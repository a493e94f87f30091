SELECT
    (SELECT ival FROM {schema}._agent_store_meta WHERE key = '_agent_store.id'),
    (SELECT count(*) FROM {schema}._agent_store_entries),
    (SELECT count(*) FROM {schema}._agent_store_logs),
    (SELECT coalesce(max(position), 0) FROM {schema}._agent_store_entries),
    (
        SELECT sum(pg_catalog.pg_total_relation_size(tables.oid))::bigint FROM pg_catalog.pg_class AS tables
        WHERE tables.relkind = 'r' AND tables.relname ~ '^_agent_store_'
            AND tables.relnamespace = (SELECT ours.relnamespace FROM pg_catalog.pg_class AS ours WHERE ours.oid = {entries})
    ),
    pg_catalog.current_setting('server_version'),
    pg_catalog.pg_backend_pid(),
    pg_catalog.pg_is_in_recovery()
