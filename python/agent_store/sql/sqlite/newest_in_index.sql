SELECT coalesce(max(position), 0) FROM _agent_store_entries INDEXED BY sqlite_autoindex__agent_store_entries_1
