SELECT log, seq, position, ((((log % 2147483647) * ?1 + (seq % 2147483647) * ?2 + ?3) % 2147483647)
    * (((position % 2147483647) * ?4 + ?5) % 2147483647) % 2147483647)
FROM _agent_store_entries INDEXED BY sqlite_autoindex__agent_store_entries_1
WHERE log = ?6 AND seq > ?7 ORDER BY seq LIMIT ?8
