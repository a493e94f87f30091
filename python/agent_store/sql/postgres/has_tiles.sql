SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class AS entries JOIN pg_catalog.pg_class AS tiles USING (relnamespace)
    WHERE entries.oid = {entries} AND tiles.relname = '_agent_store_tiles' AND tiles.relkind = 'r'
)
