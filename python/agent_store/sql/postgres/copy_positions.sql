COPY (
    SELECT position, log, seq, content_hash, payload FROM {schema}._agent_store_entries
    WHERE position >= {first} AND position <= {last} ORDER BY position
) TO STDOUT (FORMAT binary)
