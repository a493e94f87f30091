SELECT pg_catalog.pg_advisory_xact_lock_shared(1634165619, ({entries}::oid::bigint - 2147483648)::int)
