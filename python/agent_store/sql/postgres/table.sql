SELECT {entries}::oid
