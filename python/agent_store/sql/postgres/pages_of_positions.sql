SELECT
    position, log, seq, content_hash, payload, CASE octet_length(payload) WHEN 0 THEN (
        SELECT erasures.payload_len FROM {schema}._agent_store_erasures AS erasures
        WHERE erasures.position = entries.position
    ) END
FROM {schema}._agent_store_entries AS entries
WHERE position >= %s AND position <= %s ORDER BY position LIMIT 512
