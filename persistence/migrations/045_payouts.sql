-- Money to many holders, from a proposal to the last of them: a dividend, or the exit of a property. USDC micros; a
-- token's base units do not fit a bigint, hence numeric. Only settlement writes here.

CREATE TABLE payouts (
    payout_id uuid PRIMARY KEY DEFAULT uuidv7(),
    kind text NOT NULL CHECK (kind IN ('DIVIDEND', 'EXIT')),
    property_id uuid NOT NULL,
    instrument int NOT NULL CHECK (instrument BETWEEN 1 AND 65535),
    token bytea NOT NULL CHECK (length(token) = 20),
    issuer_wallet bytea NOT NULL CHECK (length(issuer_wallet) = 20), -- what it holds is the supply that is not sold
    -- PREPARING: its holders are not counted yet; PREPARED: the payload stands, two people decide; APPROVED: they did;
    -- DECLARED: the contract has the money; PAID: every line is final, paid or owed. CANCELLED, FAILED: nothing was sent.
    state text NOT NULL DEFAULT 'PREPARING'
        CHECK (state IN ('PREPARING', 'PREPARED', 'APPROVED', 'DECLARED', 'PAID', 'CANCELLED', 'FAILED')),
    pool_usdc_micros bigint NOT NULL CHECK (pool_usdc_micros >= 0),
    dust_usdc_micros bigint CHECK (dust_usdc_micros BETWEEN 0 AND pool_usdc_micros),
    chunk_holders int CHECK (chunk_holders >= 1),
    head bytea CHECK (length(head) = 32), -- of the chain of hashes of its chunks
    payload jsonb, -- what two people approve
    proposed_by uuid NOT NULL,
    approval_id uuid,
    failure text NOT NULL DEFAULT '',
    declared_block bigint CHECK (declared_block >= 0),
    events_block bigint CHECK (events_block >= declared_block - 1), -- the contract's events are read up to here
    chunks_paid int NOT NULL DEFAULT 0 CHECK (chunks_paid >= 0), -- as those events say
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'FAILED') = (failure <> '')),
    CHECK (state NOT IN ('PREPARED', 'APPROVED', 'DECLARED', 'PAID')
        OR (head IS NOT NULL AND payload IS NOT NULL AND dust_usdc_micros IS NOT NULL AND chunk_holders IS NOT NULL)),
    CHECK (state NOT IN ('APPROVED', 'DECLARED', 'PAID') OR approval_id IS NOT NULL),
    CHECK (state NOT IN ('PREPARING', 'PREPARED', 'CANCELLED') OR approval_id IS NULL),
    CHECK ((state IN ('DECLARED', 'PAID')) = (declared_block IS NOT NULL)),
    CHECK ((declared_block IS NULL) = (events_block IS NULL))
);
CREATE INDEX payouts_by_property ON payouts (property_id, payout_id);
-- One exit at a time: its statement replaces an earlier one only before two people approved that.
CREATE UNIQUE INDEX payouts_one_exit ON payouts (property_id) WHERE kind = 'EXIT' AND state NOT IN ('CANCELLED', 'FAILED');

CREATE FUNCTION payouts_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('PREPARING', 'PREPARED'), ('PREPARED', 'APPROVED'), ('APPROVED', 'DECLARED'), ('DECLARED', 'PAID'),
        ('PREPARING', 'FAILED'), ('APPROVED', 'FAILED'), ('PREPARING', 'CANCELLED'), ('PREPARED', 'CANCELLED'))
    THEN
        RAISE EXCEPTION 'a payout goes from % to % never', OLD.state, NEW.state;
    END IF;
    IF OLD.state NOT IN ('PREPARING') AND (NEW.head, NEW.payload, NEW.pool_usdc_micros, NEW.dust_usdc_micros)
        IS DISTINCT FROM (OLD.head, OLD.payload, OLD.pool_usdc_micros, OLD.dust_usdc_micros)
    THEN
        RAISE EXCEPTION 'what payout % pays stands', OLD.payout_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER payouts_go_forward BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION payouts_go_forward();

-- The terms of a dividend, and its record date once that is fixed.
CREATE TABLE dividends (
    payout_id uuid PRIMARY KEY REFERENCES payouts,
    period text, -- the income statement it was made from, if it was
    includes_unsold boolean NOT NULL,
    record_seq bigint CHECK (record_seq >= 1), -- NULL: the present, not fixed yet
    record_block bigint CHECK (record_block >= 0),
    unsold_base_units numeric(78, 0),
    CHECK (record_block IS NULL OR record_seq IS NOT NULL),
    CHECK ((record_block IS NULL) = (unsold_base_units IS NULL))
);

CREATE TABLE exits (
    payout_id uuid PRIMARY KEY REFERENCES payouts,
    sale_price_usdc_micros bigint NOT NULL CHECK (sale_price_usdc_micros > 0),
    costs_usdc_micros bigint NOT NULL CHECK (costs_usdc_micros BETWEEN 0 AND sale_price_usdc_micros - 1),
    snapshot_block bigint CHECK (snapshot_block >= 0),
    supply_base_units numeric(78, 0) CHECK (supply_base_units >= 1),
    is_tidy boolean NOT NULL DEFAULT false, -- the contract is no agent of the token any more, and no lock is left
    CHECK ((snapshot_block IS NULL) = (supply_base_units IS NULL))
);

-- What a payout is made of.
CREATE TABLE payout_charges (
    payout_id uuid NOT NULL REFERENCES payouts,
    charge text NOT NULL,
    usdc_micros bigint NOT NULL CHECK (usdc_micros >= 1),
    PRIMARY KEY (payout_id, charge)
);

-- Each holder's line, in the order in which it is paid.
CREATE TABLE payout_lines (
    payout_id uuid NOT NULL REFERENCES payouts,
    line int NOT NULL CHECK (line >= 0),
    wallet bytea NOT NULL CHECK (length(wallet) = 20),
    base_units numeric(78, 0) NOT NULL CHECK (base_units >= 1),
    usdc_micros bigint NOT NULL CHECK (usdc_micros >= 0),
    -- DUE; PAID; OWED: the transfer failed, the contract keeps it for the holder; CLAIMED: the holder has it after all
    state text NOT NULL DEFAULT 'DUE' CHECK (state IN ('DUE', 'PAID', 'OWED', 'CLAIMED')),
    owed_to bytea CHECK (length(owed_to) = 20), -- the wallet, or the one that its holder was recovered to
    transaction bytea CHECK (length(transaction) = 32), -- of its last change
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (payout_id, line),
    UNIQUE (payout_id, wallet),
    CHECK ((state = 'DUE') = (transaction IS NULL)),
    CHECK ((state IN ('OWED', 'CLAIMED')) = (owed_to IS NOT NULL))
);
CREATE INDEX payout_lines_by_wallet ON payout_lines (wallet);
CREATE INDEX payout_lines_owed ON payout_lines (owed_to) WHERE state = 'OWED';
