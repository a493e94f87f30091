SELECT
    page.position, page.log, page.seq, page.content_hash, page.payload, page.listed, page.stream, page.writer,
    before.seq, before.content_hash
FROM (
    SELECT
        entries.*,
        sum(octet_length(entries.payload)) OVER (ORDER BY entries.position ROWS UNBOUNDED PRECEDING)
            - octet_length(entries.payload) AS bytes_before
    FROM (
        SELECT entries.*, logs.id AS listed, logs.stream, logs.writer
        FROM {schema}._agent_store_entries AS entries LEFT JOIN LATERAL (
            SELECT * FROM {schema}._agent_store_logs AS found WHERE found.id = entries.log LIMIT 1
        ) AS logs ON true
        WHERE entries.position > %s AND entries.position <= %s
            AND %s >= (SELECT max(newest.position) FROM {schema}._agent_store_entries AS newest)
            AND coalesce(logs.stream = ANY (%s::text[]), true)
            AND coalesce(logs.writer = %s, true) AND coalesce(logs.writer <> %s, true)
        ORDER BY entries.position LIMIT %s
    ) AS entries
) AS page LEFT JOIN LATERAL (
    SELECT entries.seq, entries.content_hash FROM {schema}._agent_store_entries AS entries
    WHERE entries.log = page.log AND entries.seq < page.seq ORDER BY entries.seq DESC LIMIT 1
) AS before ON true
WHERE page.bytes_before < 4194304 ORDER BY page.position
