-- A property from its first draft to its sale. Its terms are what its manager says of it; they stand still from the day
-- on which they are handed in, so that what two people approve is what is minted.
CREATE TABLE properties (
    property_id uuid PRIMARY KEY DEFAULT uuidv7(),
    state text NOT NULL DEFAULT 'DRAFT' CHECK (state IN
        ('DRAFT', 'PENDING_APPROVAL', 'APPROVED', 'REJECTED', 'TOKENIZED', 'LIQUIDATING', 'CLOSED')),
    manager_id uuid NOT NULL REFERENCES users,
    issuer_wallet bytea CHECK (length(issuer_wallet) = 20), -- the manager's own; NULL until it is named
    -- the terms
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    symbol text NOT NULL UNIQUE CHECK (symbol ~ '^[A-Z][A-Z0-9]{1,11}$'), -- of the token; the instrument's has USDC behind it
    address text NOT NULL CHECK (length(address) BETWEEN 1 AND 300), -- of the building
    valuation_usdc_micros bigint NOT NULL CHECK (valuation_usdc_micros >= 1),
    supply_tokens bigint NOT NULL CHECK (supply_tokens BETWEEN 1 AND 1000000000000),
    token_decimals smallint NOT NULL CHECK (token_decimals BETWEEN 0 AND 18),
    supply_base_units numeric(78, 0) NOT NULL GENERATED ALWAYS AS
        ((supply_tokens * power(10::numeric, token_decimals))::numeric(78, 0)) STORED,
    lot_decimals smallint NOT NULL CHECK (lot_decimals BETWEEN 0 AND least(12, token_decimals)),
    regime text NOT NULL CHECK (regime IN ('REG_D_506C', 'REG_S', 'OPEN')),
    allowed_countries text[] CHECK (cardinality(allowed_countries) > 0), -- NULL: every country
    holder_cap bigint NOT NULL CHECK (holder_cap = 0 OR holder_cap BETWEEN 2 AND 4294967295), -- 0: none; the issuer is one
    ownership_cap_bps int NOT NULL CHECK (ownership_cap_bps BETWEEN 0 AND 10000), -- 0: none
    lock_up_days int NOT NULL CHECK (lock_up_days BETWEEN 0 AND 36500),
    tick_value_usdc_micros bigint NOT NULL CHECK (tick_value_usdc_micros >= 1),
    price_ticks_max bigint NOT NULL CHECK (price_ticks_max >= 1),
    qty_lots_max bigint NOT NULL CHECK (qty_lots_max >= 1),
    notional_usdc_micros_min bigint NOT NULL CHECK (notional_usdc_micros_min >= 0),
    maker_fee_bps int NOT NULL CHECK (maker_fee_bps BETWEEN 0 AND 1000),
    taker_fee_bps int NOT NULL CHECK (taker_fee_bps BETWEEN 0 AND 1000),
    -- its way
    revision int NOT NULL DEFAULT 0 CHECK (revision >= 0), -- how often it was handed in
    reject_reason text CHECK (length(reject_reason) BETWEEN 1 AND 1000),
    mint_approved_at timestamptz, -- by two people; the job begins, and the lock-up runs from here
    token bytea UNIQUE CHECK (length(token) = 20), -- and its contracts, once they are deployed
    identity_registry bytea CHECK (length(identity_registry) = 20),
    compliance_contract bytea CHECK (length(compliance_contract) = 20),
    instrument int UNIQUE CHECK (instrument BETWEEN 1 AND 65535), -- in the engine, once it has a number
    tokenized_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (state IN ('DRAFT', 'REJECTED') OR issuer_wallet IS NOT NULL),
    CHECK ((state = 'REJECTED') = (reject_reason IS NOT NULL)),
    CHECK (mint_approved_at IS NULL OR state IN ('APPROVED', 'TOKENIZED', 'LIQUIDATING', 'CLOSED')),
    CHECK ((state IN ('TOKENIZED', 'LIQUIDATING', 'CLOSED')) = (tokenized_at IS NOT NULL)),
    CHECK (token IS NULL OR (mint_approved_at IS NOT NULL AND identity_registry IS NOT NULL AND compliance_contract IS NOT NULL)),
    CHECK (instrument IS NULL OR token IS NOT NULL),
    CHECK (tokenized_at IS NULL OR instrument IS NOT NULL)
);
CREATE INDEX properties_by_manager ON properties (manager_id, property_id);
CREATE INDEX properties_by_state ON properties (state, property_id);

-- The only ways from one state to another; properties/property.py has the same table for its readers.
CREATE TABLE property_transitions (
    from_state text NOT NULL,
    to_state text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO property_transitions VALUES
    ('DRAFT', 'PENDING_APPROVAL'),
    ('PENDING_APPROVAL', 'APPROVED'),
    ('PENDING_APPROVAL', 'REJECTED'),
    ('REJECTED', 'PENDING_APPROVAL'),
    ('APPROVED', 'REJECTED'), -- until its mint is decided: the table's CHECK
    ('APPROVED', 'TOKENIZED'),
    ('TOKENIZED', 'LIQUIDATING'),
    ('LIQUIDATING', 'CLOSED');

CREATE FUNCTION property_keeps_to_the_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND NOT EXISTS
        (SELECT FROM property_transitions WHERE from_state = OLD.state AND to_state = NEW.state)
    THEN
        RAISE EXCEPTION 'a property does not go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state NOT IN ('DRAFT', 'REJECTED')
        AND (NEW.issuer_wallet, NEW.name, NEW.symbol, NEW.address, NEW.valuation_usdc_micros, NEW.supply_tokens,
             NEW.token_decimals, NEW.lot_decimals, NEW.regime, NEW.allowed_countries, NEW.holder_cap,
             NEW.ownership_cap_bps, NEW.lock_up_days, NEW.tick_value_usdc_micros, NEW.price_ticks_max, NEW.qty_lots_max,
             NEW.notional_usdc_micros_min, NEW.maker_fee_bps, NEW.taker_fee_bps)
            IS DISTINCT FROM
            (OLD.issuer_wallet, OLD.name, OLD.symbol, OLD.address, OLD.valuation_usdc_micros, OLD.supply_tokens,
             OLD.token_decimals, OLD.lot_decimals, OLD.regime, OLD.allowed_countries, OLD.holder_cap,
             OLD.ownership_cap_bps, OLD.lock_up_days, OLD.tick_value_usdc_micros, OLD.price_ticks_max, OLD.qty_lots_max,
             OLD.notional_usdc_micros_min, OLD.maker_fee_bps, OLD.taker_fee_bps)
    THEN
        RAISE EXCEPTION 'the terms of property % stand', OLD.property_id USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.manager_id <> OLD.manager_id
        OR (OLD.token IS NOT NULL AND NEW.token IS DISTINCT FROM OLD.token)
        OR (OLD.mint_approved_at IS NOT NULL AND NEW.mint_approved_at IS DISTINCT FROM OLD.mint_approved_at)
        OR (OLD.tokenized_at IS NOT NULL AND NEW.instrument IS DISTINCT FROM OLD.instrument)
    THEN
        RAISE EXCEPTION 'property % keeps its manager, its token and its number', OLD.property_id
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.changed_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER properties_keep_to_the_rules BEFORE UPDATE ON properties
    FOR EACH ROW EXECUTE FUNCTION property_keeps_to_the_rules();

CREATE TABLE property_documents (
    document_id uuid PRIMARY KEY REFERENCES documents,
    property_id uuid NOT NULL REFERENCES properties
);
CREATE INDEX property_documents_by_property ON property_documents (property_id, document_id);
