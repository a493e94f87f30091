UPDATE {schema}._agent_store_entries SET payload = ''::bytea WHERE position = %s
RETURNING true
