SELECT pg_catalog.set_config('enable_seqscan', 'off', true), {entries}::oid
