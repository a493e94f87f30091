WITH ours AS (
    SELECT tables.oid, tables.relname, tables.relkind, tables.relpersistence, tables.relrowsecurity, tables.relispartition,
        tables.relnamespace
    FROM pg_catalog.pg_class AS tables
    WHERE tables.relnamespace = (SELECT one.relnamespace FROM pg_catalog.pg_class AS one WHERE one.oid = {entries})
        AND tables.relname IN (
            '_agent_store_entries', '_agent_store_log', '_agent_store_logs', '_agent_store_meta',
            '_agent_store_tiles', '_agent_store_notes', '_agent_store_erasures'
        )
)
SELECT
    'table ' || ours.relname,
    CASE ours.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE 'of kind ' || ours.relkind::text END
        || CASE ours.relpersistence WHEN 'p' THEN '' ELSE ', not logged' END
        || CASE WHEN ours.relrowsecurity THEN ', with row security' ELSE '' END
        || CASE WHEN ours.relispartition THEN ', a partition' ELSE '' END
FROM ours
UNION ALL
SELECT 'table ' || others.relname, 'is not ours'
FROM pg_catalog.pg_class AS others
WHERE others.relnamespace IN (SELECT ours.relnamespace FROM ours) AND others.relkind NOT IN ('i', 'I')
    AND starts_with(others.relname, '_agent_store_') AND others.oid NOT IN (SELECT ours.oid FROM ours)
UNION ALL
SELECT 'view ' || ours.relname, pg_catalog.pg_get_viewdef(ours.oid) FROM ours WHERE ours.relkind = 'v'
UNION ALL
SELECT
    'column ' || ours.relname || '.' || columns.attname,
    pg_catalog.format_type(columns.atttypid, columns.atttypmod)
        || CASE WHEN collations.collname IS NULL OR ours.relkind = 'v' THEN '' ELSE ' collate ' || collations.collname END
        || CASE WHEN columns.attnotnull THEN ' not null' ELSE '' END
        || CASE WHEN columns.atthasdef THEN ' with a default' ELSE '' END
FROM ours
JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = ours.oid
LEFT JOIN pg_catalog.pg_collation AS collations ON collations.oid = columns.attcollation
WHERE columns.attnum > 0 AND NOT columns.attisdropped
UNION ALL
SELECT
    'constraint ' || constraints.conname || ' of ' || ours.relname,
    pg_catalog.pg_get_constraintdef(constraints.oid)
FROM ours JOIN pg_catalog.pg_constraint AS constraints ON constraints.conrelid = ours.oid
WHERE constraints.contype NOT IN ('n', 't')
UNION ALL
SELECT 'foreign key ' || constraints.conname || ' to ' || ours.relname, 'is not ours'
FROM ours JOIN pg_catalog.pg_constraint AS constraints ON constraints.confrelid = ours.oid
UNION ALL
SELECT
    'index ' || names.relname || ' of ' || ours.relname,
    CASE WHEN indexes.indisvalid AND indexes.indisready THEN 'is not ours' ELSE 'not valid: REINDEX makes it anew' END
FROM ours
JOIN pg_catalog.pg_index AS indexes ON indexes.indrelid = ours.oid
JOIN pg_catalog.pg_class AS names ON names.oid = indexes.indexrelid
WHERE NOT (indexes.indisvalid AND indexes.indisready) OR NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS backed WHERE backed.conindid = indexes.indexrelid
)
UNION ALL
SELECT
    'trigger ' || triggers.tgname || ' of ' || ours.relname,
    'kind ' || triggers.tgtype || ', enabled ' || triggers.tgenabled::text || ', '
        || CASE WHEN functions.pronamespace = ours.relnamespace THEN functions.proname ELSE functions.oid::text END
        || '(' || pg_catalog.replace(pg_catalog.encode(triggers.tgargs, 'escape'), '\000', '') || ')'
        || CASE WHEN triggers.tgqual IS NULL AND triggers.tgattr::text = '' THEN '' ELSE ', not always' END
        || coalesce(', new rows as ' || triggers.tgnewtable, '')
FROM ours
JOIN pg_catalog.pg_trigger AS triggers ON triggers.tgrelid = ours.oid
JOIN pg_catalog.pg_proc AS functions ON functions.oid = triggers.tgfoid
WHERE NOT triggers.tgisinternal
UNION ALL
SELECT 'rule ' || rules.rulename || ' of ' || ours.relname, 'is not ours'
FROM ours JOIN pg_catalog.pg_rewrite AS rules ON rules.ev_class = ours.oid
WHERE rules.rulename <> '_RETURN'
UNION ALL
SELECT 'inheritance of ' || ours.relname, 'is not ours'
FROM ours JOIN pg_catalog.pg_inherits AS heirs ON ours.oid IN (heirs.inhrelid, heirs.inhparent)
UNION ALL
SELECT 'key ' || meta.key, CASE meta.key WHEN '_agent_store.id' THEN 'some' ELSE meta.ival::text END
FROM {schema}._agent_store_meta AS meta WHERE starts_with(meta.key, '_agent_store.')
UNION ALL
SELECT
    'function ' || functions.proname,
    languages.lanname || CASE WHEN functions.prosecdef THEN ', with the rights of its owner' ELSE '' END
        || coalesce(', set ' || pg_catalog.array_to_string(functions.proconfig, '; '), '') || E'\n' || functions.prosrc
FROM pg_catalog.pg_proc AS functions
JOIN pg_catalog.pg_language AS languages ON languages.oid = functions.prolang
WHERE functions.pronamespace IN (SELECT ours.relnamespace FROM ours) AND starts_with(functions.proname, '_agent_store_')
ORDER BY 1, 2
