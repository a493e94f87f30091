SELECT min(seq) FROM {schema}._agent_store_entries WHERE log = %s AND seq >= %s
