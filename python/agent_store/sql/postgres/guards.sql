CREATE VIEW {schema}._agent_store_log AS
SELECT
    logs.stream,
    logs.writer,
    entries.seq,
    (
        SELECT before.content_hash FROM {schema}._agent_store_entries AS before
        WHERE before.log = entries.log AND before.seq = entries.seq - 1
    ) AS prev_hash,
    entries.content_hash,
    entries.payload,
    entries.position
FROM {schema}._agent_store_logs AS logs JOIN {schema}._agent_store_entries AS entries ON entries.log = logs.id;

CREATE FUNCTION {schema}._agent_store_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'agent-store: %', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$guard$;

CREATE FUNCTION {schema}._agent_store_follow() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    -- The table is looked up where the trigger is: the schema may have been renamed.
    PERFORM set_config('search_path', format('pg_catalog, %I, pg_temp', TG_TABLE_SCHEMA), true);
    IF (
        SELECT max(added.position) - min(added.position) + 1 <> count(*) OR min(added.position) <> 1 AND NOT EXISTS (
            SELECT 1 FROM _agent_store_entries AS before WHERE before.position = min(added.position) - 1
        )
        FROM added
    ) THEN
        RAISE EXCEPTION 'agent-store: positions follow on, each one more than the greatest'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$guard$;

CREATE FUNCTION {schema}._agent_store_rise() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF starts_with(NEW.key, '_agent_store.') THEN
        RAISE EXCEPTION 'agent-store: keys that begin with _agent_store. are the store''s own'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.key <> OLD.key OR starts_with(OLD.key, '_agent_store.') OR NEW.ival < OLD.ival) THEN
        RAISE EXCEPTION 'agent-store: a generation keeps its key and only rises, up to 2^63 - 1'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$guard$;

CREATE FUNCTION {schema}._agent_store_erase() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    PERFORM set_config('search_path', format('pg_catalog, %I, pg_temp', TG_TABLE_SCHEMA), true);
    IF NEW.position IS DISTINCT FROM OLD.position OR NEW.log IS DISTINCT FROM OLD.log
        OR NEW.seq IS DISTINCT FROM OLD.seq OR NEW.content_hash IS DISTINCT FROM OLD.content_hash
        OR octet_length(NEW.payload) IS DISTINCT FROM 0 OR NOT EXISTS (
            SELECT 1 FROM _agent_store_erasures AS erasures
            WHERE erasures.position = OLD.position AND erasures.payload_len = octet_length(OLD.payload)
        )
    THEN
        RAISE EXCEPTION 'agent-store: an entry is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$guard$;

CREATE FUNCTION {schema}._agent_store_record() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    PERFORM set_config('search_path', format('pg_catalog, %I, pg_temp', TG_TABLE_SCHEMA), true);
    IF NOT EXISTS (
        SELECT 1 FROM _agent_store_entries AS entries
        WHERE entries.position = NEW.position AND octet_length(entries.payload) IN (0, NEW.payload_len)
    ) THEN
        RAISE EXCEPTION 'agent-store: the record of an erasure is of an entry, and says how long its payload was'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$guard$;

CREATE FUNCTION {schema}._agent_store_renew() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF OLD.kind <> 'cosignature' OR NEW.kind <> OLD.kind OR NEW.name <> OLD.name OR NEW.number <> OLD.number THEN
        RAISE EXCEPTION 'agent-store: a signed note is never changed' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$guard$;

CREATE TRIGGER _agent_store_entries_insert AFTER INSERT ON {schema}._agent_store_entries
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION {schema}._agent_store_follow();
CREATE TRIGGER _agent_store_entries_update BEFORE UPDATE ON {schema}._agent_store_entries
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_erase();
CREATE TRIGGER _agent_store_entries_delete BEFORE DELETE ON {schema}._agent_store_entries
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_refuse('an entry is never removed');
CREATE TRIGGER _agent_store_entries_truncate BEFORE TRUNCATE ON {schema}._agent_store_entries
FOR EACH STATEMENT EXECUTE FUNCTION {schema}._agent_store_refuse('an entry is never removed');
CREATE TRIGGER _agent_store_logs_update BEFORE UPDATE ON {schema}._agent_store_logs
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_refuse('a log is never renamed');
CREATE TRIGGER _agent_store_logs_delete BEFORE DELETE ON {schema}._agent_store_logs
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_refuse('a log is never removed');
CREATE TRIGGER _agent_store_logs_truncate BEFORE TRUNCATE ON {schema}._agent_store_logs
FOR EACH STATEMENT EXECUTE FUNCTION {schema}._agent_store_refuse('a log is never removed');
CREATE TRIGGER _agent_store_meta_insert BEFORE INSERT ON {schema}._agent_store_meta
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_rise();
CREATE TRIGGER _agent_store_meta_update BEFORE UPDATE ON {schema}._agent_store_meta
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_rise();
CREATE TRIGGER _agent_store_meta_delete BEFORE DELETE ON {schema}._agent_store_meta
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_refuse('a generation is never removed');
CREATE TRIGGER _agent_store_meta_truncate BEFORE TRUNCATE ON {schema}._agent_store_meta
FOR EACH STATEMENT EXECUTE FUNCTION {schema}._agent_store_refuse('a generation is never removed');
CREATE TRIGGER _agent_store_notes_update BEFORE UPDATE ON {schema}._agent_store_notes
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_renew();
CREATE TRIGGER _agent_store_notes_delete BEFORE DELETE ON {schema}._agent_store_notes
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_refuse('a signed note is never removed');
CREATE TRIGGER _agent_store_notes_truncate BEFORE TRUNCATE ON {schema}._agent_store_notes
FOR EACH STATEMENT EXECUTE FUNCTION {schema}._agent_store_refuse('a signed note is never removed');
CREATE TRIGGER _agent_store_erasures_insert BEFORE INSERT ON {schema}._agent_store_erasures
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_record();
CREATE TRIGGER _agent_store_erasures_update BEFORE UPDATE ON {schema}._agent_store_erasures
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_refuse('the record of an erasure is never changed');
CREATE TRIGGER _agent_store_erasures_delete BEFORE DELETE ON {schema}._agent_store_erasures
FOR EACH ROW EXECUTE FUNCTION {schema}._agent_store_refuse('the record of an erasure is never removed');
CREATE TRIGGER _agent_store_erasures_truncate BEFORE TRUNCATE ON {schema}._agent_store_erasures
FOR EACH STATEMENT EXECUTE FUNCTION {schema}._agent_store_refuse('the record of an erasure is never removed');

-- Whatever session_replication_role says.
ALTER TABLE {schema}._agent_store_entries ENABLE ALWAYS TRIGGER _agent_store_entries_insert;
ALTER TABLE {schema}._agent_store_entries ENABLE ALWAYS TRIGGER _agent_store_entries_update;
ALTER TABLE {schema}._agent_store_entries ENABLE ALWAYS TRIGGER _agent_store_entries_delete;
ALTER TABLE {schema}._agent_store_entries ENABLE ALWAYS TRIGGER _agent_store_entries_truncate;
ALTER TABLE {schema}._agent_store_logs ENABLE ALWAYS TRIGGER _agent_store_logs_update;
ALTER TABLE {schema}._agent_store_logs ENABLE ALWAYS TRIGGER _agent_store_logs_delete;
ALTER TABLE {schema}._agent_store_logs ENABLE ALWAYS TRIGGER _agent_store_logs_truncate;
ALTER TABLE {schema}._agent_store_meta ENABLE ALWAYS TRIGGER _agent_store_meta_insert;
ALTER TABLE {schema}._agent_store_meta ENABLE ALWAYS TRIGGER _agent_store_meta_update;
ALTER TABLE {schema}._agent_store_meta ENABLE ALWAYS TRIGGER _agent_store_meta_delete;
ALTER TABLE {schema}._agent_store_meta ENABLE ALWAYS TRIGGER _agent_store_meta_truncate;
ALTER TABLE {schema}._agent_store_notes ENABLE ALWAYS TRIGGER _agent_store_notes_update;
ALTER TABLE {schema}._agent_store_notes ENABLE ALWAYS TRIGGER _agent_store_notes_delete;
ALTER TABLE {schema}._agent_store_notes ENABLE ALWAYS TRIGGER _agent_store_notes_truncate;
ALTER TABLE {schema}._agent_store_erasures ENABLE ALWAYS TRIGGER _agent_store_erasures_insert;
ALTER TABLE {schema}._agent_store_erasures ENABLE ALWAYS TRIGGER _agent_store_erasures_update;
ALTER TABLE {schema}._agent_store_erasures ENABLE ALWAYS TRIGGER _agent_store_erasures_delete;
ALTER TABLE {schema}._agent_store_erasures ENABLE ALWAYS TRIGGER _agent_store_erasures_truncate;

COMMENT ON TABLE {schema}._agent_store_entries IS 'agent-store format 1';
