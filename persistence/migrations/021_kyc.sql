-- Who is whom at the identity provider, and how far its review is. The place (event_ms, event_rank) of the event that
-- counts only goes forward, so a late or repeated one changes nothing. Never the provider's comment for its client.
CREATE TABLE kyc_applicants (
    user_id uuid PRIMARY KEY REFERENCES users,
    applicant_id text NOT NULL UNIQUE CHECK (applicant_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    level text NOT NULL CHECK (level <> ''),
    stage text NOT NULL DEFAULT 'CREATED' CHECK (stage IN
        ('CREATED', 'PENDING', 'AWAITING_USER', 'ON_HOLD', 'RESET', 'GREEN', 'RETRY', 'REJECTED', 'WITHDRAWN')),
    event_ms bigint NOT NULL DEFAULT 0 CHECK (event_ms >= 0), -- since 1970, by the provider's clock
    event_rank smallint NOT NULL DEFAULT 0 CHECK (event_rank >= 0), -- of two in one ms the stricter counts
    reject_labels text[] NOT NULL DEFAULT '{}',
    comment text NOT NULL DEFAULT '', -- the provider's words for the person
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION kyc_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.event_ms, NEW.event_rank) < (OLD.event_ms, OLD.event_rank) THEN
        RAISE EXCEPTION 'an older event does not override a newer one';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER kyc_applicants_go_forward BEFORE UPDATE ON kyc_applicants
    FOR EACH ROW EXECUTE FUNCTION kyc_goes_forward();

-- Every webhook that was authentic, once, and what became of it.
CREATE TABLE kyc_webhook_events (
    event_id bytea PRIMARY KEY CHECK (length(event_id) = 32), -- sha256 of the raw body
    applicant_id text NOT NULL,
    type text NOT NULL,
    created_ms bigint NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('APPLIED', 'STALE', 'IGNORED', 'UNKNOWN_APPLICANT')),
    received_at timestamptz NOT NULL DEFAULT now()
);
