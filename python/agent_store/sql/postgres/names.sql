SELECT id, stream, writer FROM {schema}._agent_store_logs WHERE id = ANY (%s)
