SELECT name, number, note FROM {schema}._agent_store_notes
WHERE kind = %s AND (name, number) > (%s, %s) ORDER BY name, number LIMIT %s
