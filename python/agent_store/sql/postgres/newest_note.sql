SELECT number, note FROM {schema}._agent_store_notes
WHERE kind = %s AND name = %s ORDER BY number DESC LIMIT 1
