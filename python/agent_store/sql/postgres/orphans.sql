WITH RECURSIVE found (log) AS (
    (
        SELECT entries.log FROM {schema}._agent_store_entries AS entries
        WHERE entries.log > %s ORDER BY entries.log LIMIT 1
    )
    UNION ALL
    SELECT next.log FROM found CROSS JOIN LATERAL (
        SELECT entries.log FROM {schema}._agent_store_entries AS entries
        WHERE entries.log > found.log ORDER BY entries.log LIMIT 1
    ) AS next
)
SELECT found.log, first.seq, first.position, (
    SELECT count(*) FROM {schema}._agent_store_entries AS entries WHERE entries.log = found.log
)
FROM found
CROSS JOIN LATERAL (
    SELECT entries.seq, entries.position FROM {schema}._agent_store_entries AS entries
    WHERE entries.log = found.log ORDER BY entries.seq LIMIT 1
) AS first
WHERE NOT EXISTS (SELECT 1 FROM {schema}._agent_store_logs AS logs WHERE logs.id = found.log)
LIMIT 10000
