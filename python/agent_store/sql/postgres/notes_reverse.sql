SELECT number, note FROM {schema}._agent_store_notes
WHERE kind = %s AND name = %s AND number < %s ORDER BY number DESC LIMIT %s
