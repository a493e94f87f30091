SELECT note FROM _agent_store_notes WHERE kind = ?1 AND name = ?2 AND number = ?3
