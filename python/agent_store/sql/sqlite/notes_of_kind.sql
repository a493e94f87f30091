SELECT name, number, note FROM _agent_store_notes
WHERE kind = ?1 AND (name, number) > (?2, ?3) ORDER BY name, number LIMIT ?4
