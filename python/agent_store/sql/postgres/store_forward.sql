SELECT page.position, page.seq, page.content_hash, page.payload, page.log
FROM (
    SELECT
        entries.*,
        sum(octet_length(entries.payload)) OVER (ORDER BY entries.position ROWS UNBOUNDED PRECEDING)
            - octet_length(entries.payload) AS bytes_before
    FROM (
        SELECT * FROM {schema}._agent_store_entries
        WHERE position > %s AND position <= %s ORDER BY position LIMIT %s
    ) AS entries
) AS page
WHERE page.bytes_before < 4194304 ORDER BY page.position
