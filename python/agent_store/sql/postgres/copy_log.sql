COPY (
    SELECT position, log, seq, content_hash, payload FROM {schema}._agent_store_entries
    WHERE log = {log} AND seq >= {first} AND seq <= {last} ORDER BY seq
) TO STDOUT (FORMAT binary)
