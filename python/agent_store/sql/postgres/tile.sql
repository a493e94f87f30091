SELECT hashes FROM {schema}._agent_store_tiles WHERE level = %s AND number = %s
