COPY (
    SELECT position, log, seq, content_hash, payload FROM {schema}._agent_store_entries
    WHERE position > {after} AND position <= {upto} ORDER BY position
) TO STDOUT (FORMAT binary)
