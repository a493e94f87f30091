SELECT
    pg_catalog.set_config('lock_timeout', %s, true),
    CASE
        WHEN %s <> (pg_catalog.current_setting('synchronous_commit') = 'off') THEN pg_catalog.set_config(
            'synchronous_commit',
            CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'on' ELSE 'off' END,
            true
        )
    END,
    CASE WHEN %s THEN pg_catalog.set_config('enable_seqscan', 'off', true) END,
    pg_catalog.pg_advisory_xact_lock(1634165619, ({entries}::oid::bigint - 2147483648)::int),
    -- Whether anybody listens: who does holds this lock shared. It is let go of at once, while the one above is held, so
    -- that no two writers meet here.
    CASE
        WHEN pg_catalog.pg_try_advisory_lock(1634165621, ({entries}::oid::bigint - 2147483648)::int)
            THEN NOT pg_catalog.pg_advisory_unlock(1634165621, ({entries}::oid::bigint - 2147483648)::int)
        ELSE true
    END,
    {entries}::oid
