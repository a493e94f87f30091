SELECT
    pg_catalog.set_config('lock_timeout', %s, true),
    pg_catalog.set_config(
        'synchronous_commit',
        CASE
            WHEN %s THEN 'off'
            WHEN pg_catalog.current_setting('synchronous_commit') = 'off' THEN 'on'
            ELSE pg_catalog.current_setting('synchronous_commit')
        END,
        true
    ),
    pg_catalog.set_config(
        'enable_seqscan', CASE WHEN %s THEN 'off' ELSE pg_catalog.current_setting('enable_seqscan') END, true
    ),
    pg_catalog.pg_advisory_xact_lock(1634165619, ({entries}::oid::bigint - 2147483648)::int),
    {entries}::oid
