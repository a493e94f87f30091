SELECT payload_len FROM _agent_store_erasures WHERE position = ?1
