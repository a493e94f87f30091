SELECT coalesce(sum(ival), 0) FROM {schema}._agent_store_meta
