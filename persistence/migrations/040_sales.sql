-- The first sale of a property's tokens, and what was bought in it through us. Money in USDC micros; a token's base units
-- do not fit a bigint, hence numeric. What is sold in all, the contract says: anybody may bring it a signed purchase.

CREATE TABLE sales (
    sale_id uuid PRIMARY KEY DEFAULT uuidv7(),
    property_id uuid NOT NULL,
    -- OPENING, CLOSING: asked of the contract; OPEN, CLOSED: it said so and that is final; FAILED: it never will
    state text NOT NULL DEFAULT 'OPENING' CHECK (state IN ('OPENING', 'OPEN', 'CLOSING', 'CLOSED', 'FAILED')),
    instrument int NOT NULL CHECK (instrument BETWEEN 1 AND 65535),
    token bytea NOT NULL CHECK (length(token) = 20),
    token_decimals smallint NOT NULL CHECK (token_decimals BETWEEN 0 AND 18),
    issuer_wallet bytea NOT NULL CHECK (length(issuer_wallet) = 20),
    issuer_id uuid NOT NULL REFERENCES users, -- whose wallet that is
    -- the terms, as the contract has them
    price_usdc_micros numeric(39, 0) NOT NULL CHECK (price_usdc_micros >= 1), -- of one lot
    lot_base_units numeric(39, 0) NOT NULL CHECK (lot_base_units >= 1),
    qty_max_base_units numeric(39, 0) NOT NULL CHECK (qty_max_base_units >= lot_base_units),
    per_buyer_max_base_units numeric(39, 0) NOT NULL CHECK (per_buyer_max_base_units >= lot_base_units),
    opens_at timestamptz NOT NULL,
    closes_at timestamptz NOT NULL,
    --
    number bigint CHECK (number >= 1), -- among the token's sales, as the contract counts them
    opened_block bigint CHECK (opened_block >= 0),
    failure text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (opens_at < closes_at),
    CHECK ((number IS NULL) = (opened_block IS NULL)),
    CHECK (state IN ('OPENING', 'FAILED') OR number IS NOT NULL),
    CHECK ((state = 'FAILED') = (failure <> ''))
);
CREATE INDEX sales_by_property ON sales (property_id, sale_id);
CREATE UNIQUE INDEX sales_one_at_a_time ON sales (property_id) WHERE state IN ('OPENING', 'OPEN');

CREATE TABLE purchases (
    purchase_id uuid PRIMARY KEY DEFAULT uuidv7(),
    sale_id uuid NOT NULL REFERENCES sales,
    user_id uuid NOT NULL REFERENCES users,
    -- what the buyer signed
    wallet bytea NOT NULL CHECK (length(wallet) = 20),
    qty_base_units numeric(39, 0) NOT NULL CHECK (qty_base_units >= 1),
    usdc_micros numeric(39, 0) NOT NULL CHECK (usdc_micros >= 1),
    nonce numeric(78, 0) NOT NULL CHECK (nonce >= 0),
    deadline timestamptz NOT NULL,
    signature bytea NOT NULL,
    permit bytea CHECK (length(permit) = 65),
    -- RELAYED: we bring it to the chain until its deadline; MINED; FINAL; FAILED: it can never be made any more
    state text NOT NULL DEFAULT 'RELAYED' CHECK (state IN ('RELAYED', 'MINED', 'FINAL', 'FAILED')),
    reason text NOT NULL DEFAULT '', -- why it is not made, for its buyer
    transaction bytea CHECK (length(transaction) = 32),
    block bigint CHECK (block >= 0),
    bought_at timestamptz, -- that block's time
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (wallet, nonce),
    CHECK ((state IN ('MINED', 'FINAL')) = (transaction IS NOT NULL)),
    CHECK ((transaction IS NULL) = (block IS NULL) AND (block IS NULL) = (bought_at IS NULL)),
    CHECK (state <> 'FAILED' OR reason <> '')
);
CREATE INDEX purchases_by_user ON purchases (user_id, purchase_id);
CREATE INDEX purchases_by_sale ON purchases (sale_id, state);

CREATE FUNCTION purchases_keep_to_the_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state IN ('FINAL', 'FAILED') THEN
        RAISE EXCEPTION 'purchase % has ended', OLD.purchase_id USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.sale_id, NEW.user_id, NEW.wallet, NEW.qty_base_units, NEW.usdc_micros, NEW.nonce, NEW.deadline)
        IS DISTINCT FROM
        (OLD.sale_id, OLD.user_id, OLD.wallet, OLD.qty_base_units, OLD.usdc_micros, OLD.nonce, OLD.deadline)
    THEN
        RAISE EXCEPTION 'what purchase % buys stands', OLD.purchase_id USING ERRCODE = 'check_violation';
    END IF;
    NEW.changed_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER purchases_keep_to_the_rules BEFORE UPDATE ON purchases
    FOR EACH ROW EXECUTE FUNCTION purchases_keep_to_the_rules();
