SELECT asked.level, asked.number, tiles.hashes
FROM unnest(%s, %s) AS asked (level, number) JOIN {schema}._agent_store_tiles AS tiles USING (level, number)
