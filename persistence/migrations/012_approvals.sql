-- Acts that two people decide. What the second approves is, to the byte, what the first proposed.
CREATE TABLE approvals (
    approval_id uuid PRIMARY KEY DEFAULT uuidv7(),
    kind text NOT NULL CHECK (kind IN ('PROPERTY_APPROVE', 'MINT', 'BURN', 'DIVIDEND', 'FREEZE', 'FEE', 'HALT_LIFT')),
    subject text NOT NULL CHECK (subject <> ''),
    payload text NOT NULL CHECK (payload IS JSON OBJECT), -- canonical; text, for jsonb would not keep its bytes
    payload_hash bytea NOT NULL CHECK (payload_hash = sha256(convert_to(payload, 'UTF8'))),
    state text NOT NULL CHECK (state IN ('PROPOSED', 'APPROVED', 'REJECTED', 'EXPIRED')),
    proposed_by uuid NOT NULL REFERENCES users,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > proposed_at),
    decided_by uuid REFERENCES users, -- nobody decides that one expires
    decided_at timestamptz,
    reason text, -- why it was rejected
    CHECK ((state = 'PROPOSED') = (decided_at IS NULL)),
    CHECK ((state IN ('APPROVED', 'REJECTED')) = (decided_by IS NOT NULL)),
    CHECK ((state = 'REJECTED') = (reason IS NOT NULL)),
    CHECK (state <> 'APPROVED' OR (decided_by <> proposed_by AND decided_at < expires_at))
);
CREATE UNIQUE INDEX approvals_open ON approvals (kind, subject) WHERE state = 'PROPOSED';

CREATE FUNCTION approvals_end_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'PROPOSED'
        OR (NEW.approval_id, NEW.kind, NEW.subject, NEW.payload, NEW.proposed_by, NEW.proposed_at, NEW.expires_at)
            IS DISTINCT FROM
           (OLD.approval_id, OLD.kind, OLD.subject, OLD.payload, OLD.proposed_by, OLD.proposed_at, OLD.expires_at)
    THEN
        RAISE EXCEPTION 'approval % is decided, or is another one', OLD.approval_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER approvals_end_once BEFORE UPDATE ON approvals FOR EACH ROW EXECUTE FUNCTION approvals_end_once();
CREATE TRIGGER approvals_stand BEFORE DELETE ON approvals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approvals_are_kept BEFORE TRUNCATE ON approvals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
