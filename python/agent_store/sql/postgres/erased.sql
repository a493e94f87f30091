SELECT position, payload_len FROM {schema}._agent_store_erasures WHERE position = ANY (%s)
