SELECT pg_catalog.pg_advisory_unlock_shared(1634165621, ({entries}::oid::bigint - 2147483648)::int)
