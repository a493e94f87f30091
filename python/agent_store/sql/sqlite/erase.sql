UPDATE _agent_store_entries SET payload = x'' WHERE position = ?1
