-- The audit log's entries in the order in which their transactions ended, each hashed with its predecessor's hash: a
-- change of an entry that stands, or its loss, shows (compliance/audit.py computes the same hashes again).
--
-- A link is made at the end of the entry's transaction, where the lock that orders the links is held for an instant: one
-- taken at the entry would make every transaction that is audited wait for the others.
CREATE TABLE audit_chain (
    position bigint PRIMARY KEY CHECK (position >= 1),
    entry_id bigint NOT NULL UNIQUE,
    prev_hash bytea NOT NULL UNIQUE CHECK (length(prev_hash) = 32), -- 32 zero bytes for the first
    hash bytea NOT NULL CHECK (length(hash) = 32)
);

-- One field: its length in bytes, a colon, its text; a minus for NULL. So two different entries never read the same.
CREATE FUNCTION audit_field(given text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        convert_to(octet_length(convert_to(given, 'UTF8')) || ':', 'UTF8') || convert_to(given, 'UTF8'),
        convert_to('-', 'UTF8'))
$$;

CREATE FUNCTION audit_hash(entry audit_log, prev_hash bytea) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(
        prev_hash
        || audit_field(entry.entry_id::text)
        || audit_field((extract(epoch FROM entry.at) * 1000000)::bigint::text)
        || audit_field(entry.actor)
        || audit_field(entry.action)
        || audit_field(entry.user_id::text)
        || audit_field(encode(entry.address, 'hex'))
        || audit_field(entry.instrument::text)
        || audit_field(entry.details::text))
$$;

CREATE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last audit_chain;
BEGIN
    PERFORM pg_advisory_xact_lock(7234299858246788212);
    SELECT * INTO last FROM audit_chain ORDER BY position DESC LIMIT 1;
    IF NOT FOUND THEN
        last.position := 0;
        last.hash := decode(repeat('00', 32), 'hex');
    END IF;
    INSERT INTO audit_chain (position, entry_id, prev_hash, hash)
        VALUES (last.position + 1, NEW.entry_id, last.hash, audit_hash(NEW, last.hash));
    RETURN NULL;
END
$$;

-- Entries from before this migration, in the order of their numbers.
DO $$
DECLARE
    entry audit_log;
    hash_before bytea := decode(repeat('00', 32), 'hex');
    place bigint := 0;
BEGIN
    FOR entry IN SELECT * FROM audit_log ORDER BY entry_id LOOP
        place := place + 1;
        INSERT INTO audit_chain VALUES (place, entry.entry_id, hash_before, audit_hash(entry, hash_before))
            RETURNING hash INTO hash_before;
    END LOOP;
END
$$;

CREATE CONSTRAINT TRIGGER audit_log_is_linked AFTER INSERT ON audit_log DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION audit_link();
CREATE TRIGGER audit_chain_stands BEFORE UPDATE OR DELETE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_chain_is_kept BEFORE TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
