SELECT pg_catalog.set_config('lock_timeout', %s, true), pg_catalog.pg_advisory_xact_lock(1634165620, (%s)::int)
