-- What Stripe told us, and how much of it is in the ledger. Amounts are USD cents as Stripe says them.

-- Events are hints: each says which object to ask for. Kept whole ids and types only, never the body.
CREATE TABLE stripe_events (
    event_id text PRIMARY KEY CHECK (event_id <> ''),
    type text NOT NULL,
    object_id text NOT NULL,
    created_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz -- when its people heard of a payment that did not go through
);

CREATE TABLE stripe_sessions (
    session_id text PRIMARY KEY,
    rent_id uuid NOT NULL REFERENCES rents,
    attempt int NOT NULL CHECK (attempt >= 1),
    state text NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'PROCESSING', 'PAID', 'FAILED', 'EXPIRED')),
    url text NOT NULL,
    expires_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (rent_id, attempt)
);

-- An ended session stays as it ended; one that is processing does not open again.
CREATE FUNCTION require_forward_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state NOT IN ('OPEN', 'PROCESSING') OR NEW.state = 'OPEN') THEN
        RAISE EXCEPTION 'session % cannot go from % to %', OLD.session_id, OLD.state, NEW.state
            USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER stripe_sessions_go_forward BEFORE UPDATE ON stripe_sessions
    FOR EACH ROW EXECUTE FUNCTION require_forward_session();

CREATE TABLE stripe_charges (
    charge_id text PRIMARY KEY,
    session_id text NOT NULL REFERENCES stripe_sessions,
    rent_id uuid NOT NULL REFERENCES rents,
    property_id uuid NOT NULL,
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    is_surplus boolean NOT NULL, -- the rent was paid already: the tenant's money, never income
    management_fee_bps int NOT NULL, -- as they were when it was paid
    reserve_bps int NOT NULL,
    management_fee_cents bigint NOT NULL DEFAULT 0 CHECK (management_fee_cents >= 0), -- as booked by now
    reserve_cents bigint NOT NULL DEFAULT 0 CHECK (reserve_cents >= 0),
    charged_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX stripe_charges_pay_a_rent_once ON stripe_charges (rent_id) WHERE NOT is_surplus;
CREATE INDEX stripe_charges_by_property ON stripe_charges (property_id, charged_at);

CREATE TABLE stripe_payouts (
    payout_id text PRIMARY KEY,
    reference text NOT NULL UNIQUE, -- what the wire carries
    amount_cents bigint NOT NULL CHECK (amount_cents > 0),
    state text NOT NULL CHECK (state IN ('PAID', 'FAILED')),
    arrives_at timestamptz NOT NULL,
    deposit_id text, -- at Circle
    transfer_id text, -- that brought the USDC
    transaction_hash bytea CHECK (length(transaction_hash) = 32),
    CHECK (state = 'PAID' OR deposit_id IS NULL), -- what Circle has did not fail
    CHECK (transfer_id IS NULL OR deposit_id IS NOT NULL),
    CHECK ((transfer_id IS NULL) = (transaction_hash IS NULL))
);

-- Stripe's balance transactions, each booked once. `contra` is the account that stands against STRIPE_CLEARING.
CREATE TABLE stripe_movements (
    movement_id text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('CHARGE', 'REFUND', 'DISPUTE', 'PAYOUT_FAILURE', 'OTHER')),
    source text NOT NULL, -- the charge, refund, dispute or payout
    charge_id text REFERENCES stripe_charges,
    amount_cents bigint NOT NULL, -- signed as in Stripe's balance
    fee_cents bigint NOT NULL,
    contra text NOT NULL,
    fee_contra text NOT NULL,
    moved_at timestamptz NOT NULL,
    CHECK ((charge_id IS NOT NULL) = (kind IN ('CHARGE', 'REFUND', 'DISPUTE')))
);
CREATE INDEX stripe_movements_by_charge ON stripe_movements (charge_id);
CREATE INDEX stripe_movements_by_source ON stripe_movements (source);

CREATE TABLE stripe_payout_movements (
    movement_id text PRIMARY KEY REFERENCES stripe_movements, -- no payout holds what another one held
    payout_id text NOT NULL REFERENCES stripe_payouts
);
CREATE INDEX stripe_payout_movements_by_payout ON stripe_payout_movements (payout_id);

CREATE TABLE stripe_disputes (
    dispute_id text PRIMARY KEY,
    charge_id text NOT NULL REFERENCES stripe_charges,
    status text NOT NULL, -- Stripe's word
    loss_cents bigint NOT NULL DEFAULT 0 -- of what stood in DISPUTED, booked as lost
);
