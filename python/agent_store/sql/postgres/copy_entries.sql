COPY {schema}._agent_store_entries (position, log, seq, content_hash, payload) FROM STDIN (FORMAT binary)
