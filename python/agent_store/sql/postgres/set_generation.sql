INSERT INTO {schema}._agent_store_meta AS meta (key, ival) VALUES (%s, %s)
ON CONFLICT (key) DO UPDATE SET ival = excluded.ival
