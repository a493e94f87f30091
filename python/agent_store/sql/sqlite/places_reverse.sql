SELECT position, log, seq FROM _agent_store_entries
WHERE position > ?1 AND position <= ?2 ORDER BY position DESC
