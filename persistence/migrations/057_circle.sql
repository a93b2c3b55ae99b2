-- What Circle told us, and how far each payout is on its way from a bank wire to USDC at the treasury's address.
-- Circle counts dollars in cents; one cent is 10,000 USDC micros.

-- Each notification once, however often and in whatever order it is sent. Its content is not kept: it may name people.
CREATE TABLE circle_events (
    event_id text PRIMARY KEY CHECK (event_id <> '' AND length(event_id) <= 200),
    topic text NOT NULL CHECK (length(topic) <= 100),
    resource_id text NOT NULL CHECK (length(resource_id) <= 200), -- '' where it names none of ours
    status text NOT NULL CHECK (length(status) <= 100),
    body_sha256 bytea NOT NULL CHECK (length(body_sha256) = 32),
    received_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION circle_status_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'pending' AND NEW.status <> OLD.status THEN
        RAISE EXCEPTION '% is % and stays so', TG_TABLE_NAME, OLD.status;
    END IF;
    RETURN NEW;
END
$$;

-- Wires that came in at Circle.
CREATE TABLE circle_deposits (
    deposit_id text PRIMARY KEY CHECK (deposit_id <> ''),
    status text NOT NULL CHECK (status IN ('pending', 'complete', 'failed')),
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    fee_cents bigint NOT NULL CHECK (fee_cents >= 0),
    wire_references text[] NOT NULL, -- every reference that Circle read off the wire, as it is
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX circle_deposits_by_reference ON circle_deposits USING gin (wire_references);
CREATE TRIGGER circle_deposits_monotonic BEFORE UPDATE ON circle_deposits
    FOR EACH ROW EXECUTE FUNCTION circle_status_stands();

-- Addresses that Circle may send to. The key is made with the row, so before Circle hears of it.
CREATE TABLE circle_recipients (
    address bytea PRIMARY KEY CHECK (length(address) = 20),
    idempotency_key uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    recipient_id text UNIQUE CHECK (recipient_id <> '')
);

-- One payout's way: WAITING for its wire, CREDITED at Circle, RECEIVED as USDC at the treasury, final on the chain.
CREATE TABLE conversions (
    reference text PRIMARY KEY CHECK (reference <> ''),
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    state text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'CREDITED', 'RECEIVED')),
    deposit_id text UNIQUE REFERENCES circle_deposits, -- one wire pays for one payout
    transaction_hash bytea UNIQUE CHECK (length(transaction_hash) = 32),
    block bigint CHECK (block >= 0),
    started_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'WAITING') = (deposit_id IS NULL)),
    CHECK ((state = 'RECEIVED') = (transaction_hash IS NOT NULL) AND (transaction_hash IS NULL) = (block IS NULL))
);
CREATE INDEX conversions_open ON conversions (started_at) WHERE state <> 'RECEIVED';

CREATE FUNCTION conversion_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    states constant text[] := ARRAY['WAITING', 'CREDITED', 'RECEIVED'];
BEGIN
    IF NEW.amount_cents <> OLD.amount_cents OR NEW.deposit_id <> OLD.deposit_id
        OR array_position(states, NEW.state) NOT IN
            (array_position(states, OLD.state), array_position(states, OLD.state) + 1) THEN
        RAISE EXCEPTION 'the conversion of % cannot go from % to %', OLD.reference, OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER conversions_monotonic BEFORE UPDATE ON conversions FOR EACH ROW EXECUTE FUNCTION conversion_goes_on();

-- What we asked Circle to send. Another attempt only after the last one failed: then Circle has the money still.
CREATE TABLE circle_transfers (
    reference text NOT NULL REFERENCES conversions,
    attempt int NOT NULL CHECK (attempt >= 1),
    idempotency_key uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'complete', 'failed')),
    transfer_id text UNIQUE CHECK (transfer_id <> ''), -- once Circle answered
    transaction_hash bytea CHECK (length(transaction_hash) = 32),
    error_code text NOT NULL DEFAULT '',
    asked_at timestamptz NOT NULL DEFAULT now(),
    failure_told_at timestamptz, -- to an operator: whoever runs it again after that wants another attempt
    PRIMARY KEY (reference, attempt),
    CHECK (failure_told_at IS NULL OR status = 'failed'),
    CHECK (status = 'pending' OR transfer_id IS NOT NULL)
);
CREATE UNIQUE INDEX circle_transfers_one_at_a_time ON circle_transfers (reference) WHERE status <> 'failed';
CREATE TRIGGER circle_transfers_monotonic BEFORE UPDATE ON circle_transfers
    FOR EACH ROW EXECUTE FUNCTION circle_status_stands();
