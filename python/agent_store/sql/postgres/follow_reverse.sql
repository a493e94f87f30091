SELECT
    false AS near, places.position, NULL::bigint AS log, NULL::bigint AS seq, places.content_hash, NULL::bytea AS payload,
    NULL::bigint AS listed, NULL::text AS stream, NULL::text AS writer, NULL::bigint AS before, NULL::bytea AS prev
FROM ({{newest}}) AS places
UNION ALL
SELECT true, near.* FROM ({{near_reverse}}) AS near
