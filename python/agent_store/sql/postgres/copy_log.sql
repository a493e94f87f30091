COPY (
    SELECT
        position, log, seq, content_hash, payload, CASE octet_length(payload) WHEN 0 THEN (
            SELECT erasures.payload_len FROM {schema}._agent_store_erasures AS erasures
            WHERE erasures.position = entries.position
        ) END
    FROM {schema}._agent_store_entries AS entries
    WHERE log = {log} AND seq >= {first} AND seq <= {last} ORDER BY seq
) TO STDOUT (FORMAT binary)
