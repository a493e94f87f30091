SELECT count(*), coalesce(sum((((log % 2147483647) * ?1 + (seq % 2147483647) * ?2 + ?3) % 2147483647)
    * (((position % 2147483647) * ?4 + ?5) % 2147483647) % 2147483647), 0), max(position)
FROM (SELECT position, log, seq FROM _agent_store_entries NOT INDEXED
    WHERE position >= ?6 AND position <= ?7 ORDER BY position LIMIT ?8)
