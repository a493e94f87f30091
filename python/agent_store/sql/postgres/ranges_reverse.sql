SELECT page.position, page.log, page.seq, page.content_hash, page.payload
FROM (
    SELECT
        entries.*, ranges.number,
        sum(octet_length(entries.payload)) OVER (ORDER BY ranges.number, entries.seq DESC ROWS UNBOUNDED PRECEDING)
            - octet_length(entries.payload) AS bytes_before
    FROM unnest(%s, %s, %s) WITH ORDINALITY AS ranges (log, first, before, number)
    CROSS JOIN LATERAL (
        SELECT * FROM {schema}._agent_store_entries AS found
        WHERE found.log = ranges.log AND found.seq >= ranges.first AND found.seq < ranges.before
        ORDER BY found.seq DESC LIMIT greatest(ranges.before - ranges.first, 0)
    ) AS entries
) AS page
WHERE page.bytes_before < 4194304 ORDER BY page.number, page.seq DESC
