-- People, their wallets and the facts from which permissions are compiled. Personal data lives here only: the journal and
-- the chain see numbers, addresses and hashes.

CREATE TABLE users (
    user_id uuid PRIMARY KEY DEFAULT uuidv7(),
    owner bigint NOT NULL UNIQUE CHECK (owner BETWEEN 1 AND 4294967295), -- the engine's number of the person, dense
    email text NOT NULL CHECK (email <> ''),
    -- 32 random bytes that go into every hash of this person's facts: without them nobody can guess the facts from a hash
    facts_salt bytea NOT NULL CHECK (length(facts_salt) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE kyc (
    user_id uuid PRIMARY KEY REFERENCES users,
    status text NOT NULL CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED')),
    expires_at timestamptz,
    CHECK ((status = 'APPROVED') = (expires_at IS NOT NULL))
);

CREATE TABLE accreditation (
    user_id uuid PRIMARY KEY REFERENCES users,
    status text NOT NULL CHECK (status IN ('PENDING', 'VERIFIED', 'REJECTED')),
    expires_at timestamptz,
    CHECK ((status = 'VERIFIED') = (expires_at IS NOT NULL))
);

-- ISO 3166: where the person lives for the law; both codes, because the chain uses the number.
CREATE TABLE residence (
    user_id uuid PRIMARY KEY REFERENCES users,
    country_alpha2 text NOT NULL CHECK (country_alpha2 ~ '^[A-Z]{2}$'),
    country_numeric smallint NOT NULL CHECK (country_numeric BETWEEN 1 AND 999)
);

CREATE TABLE wallets (
    address bytea PRIMARY KEY CHECK (length(address) = 20),
    user_id uuid NOT NULL REFERENCES users,
    account bigint UNIQUE CHECK (account BETWEEN 1 AND 4294967295), -- once the engine has opened it
    linked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX wallets_by_user ON wallets (user_id);
CREATE INDEX wallets_unopened ON wallets (linked_at) WHERE account IS NULL;

CREATE TABLE instruments (
    instrument int PRIMARY KEY CHECK (instrument BETWEEN 1 AND 65535),
    symbol text NOT NULL UNIQUE CHECK (symbol ~ '^[A-Z0-9]{1,16}$'),
    name text NOT NULL CHECK (name <> ''),
    token bytea UNIQUE CHECK (length(token) = 20), -- once it is deployed
    token_decimals smallint NOT NULL CHECK (token_decimals BETWEEN 0 AND 18),
    lot_decimals smallint NOT NULL CHECK (lot_decimals BETWEEN 0 AND token_decimals), -- of a token: one lot is 10^-this
    lot_base_units numeric(78, 0) NOT NULL GENERATED ALWAYS AS
        (power(10::numeric, token_decimals - lot_decimals)::numeric(78, 0)) STORED,
    -- who may trade it
    regime text NOT NULL CHECK (regime IN ('REG_D_506C', 'REG_S', 'OPEN')),
    allowed_countries text[] CHECK (cardinality(allowed_countries) > 0), -- NULL: every country
    holder_cap bigint NOT NULL CHECK (holder_cap BETWEEN 0 AND 4294967295), -- 0: none
    ownership_cap_lots bigint NOT NULL CHECK (ownership_cap_lots >= 0), -- 0: none
    lock_up_days int NOT NULL CHECK (lock_up_days BETWEEN 0 AND 36500),
    lock_up_starts_at timestamptz, -- of those who have no acquisition date of their own
    -- how it trades; the engine checks these again
    fee_account bigint NOT NULL CHECK (fee_account BETWEEN 1 AND 4294967295),
    tick_value_usdc_micros bigint NOT NULL CHECK (tick_value_usdc_micros >= 1),
    price_ticks_max bigint NOT NULL CHECK (price_ticks_max >= 1),
    qty_lots_max bigint NOT NULL CHECK (qty_lots_max >= 1),
    notional_usdc_micros_min bigint NOT NULL CHECK (notional_usdc_micros_min >= 0),
    market_collar_bps int NOT NULL CHECK (market_collar_bps BETWEEN 0 AND 9999),
    open_orders_max bigint NOT NULL CHECK (open_orders_max >= 1),
    maker_fee_bps int NOT NULL CHECK (maker_fee_bps BETWEEN 0 AND 1000),
    taker_fee_bps int NOT NULL CHECK (taker_fee_bps BETWEEN 0 AND 1000),
    resale boolean NOT NULL,
    listed_seq bigint, -- of the last command that gave the engine its terms; NULL while it does not know it
    CHECK (lock_up_days = 0 OR lock_up_starts_at IS NOT NULL),
    CHECK (listed_seq IS NULL OR token IS NOT NULL)
);

-- What the chain says of a wallet and a token; written by those who read the chain.
CREATE TABLE wallet_freezes (
    address bytea NOT NULL CHECK (length(address) = 20),
    instrument int NOT NULL REFERENCES instruments,
    block bigint NOT NULL CHECK (block >= 0), -- where it was frozen
    PRIMARY KEY (address, instrument)
);

CREATE TABLE identity_registrations (
    address bytea NOT NULL CHECK (length(address) = 20),
    instrument int NOT NULL REFERENCES instruments,
    block bigint NOT NULL CHECK (block >= 0), -- where its registration became final
    PRIMARY KEY (address, instrument)
);

-- When a person got an instrument from its issuer: the lock-up runs from there.
CREATE TABLE acquisitions (
    user_id uuid NOT NULL REFERENCES users,
    instrument int NOT NULL REFERENCES instruments,
    acquired_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, instrument)
);

-- What must be compiled anew, written in the transaction that changed a fact. A change while a compilation runs takes a
-- new number, and then the entry outlives that compilation.
CREATE SEQUENCE permission_changes;
CREATE TABLE permission_queue (
    address bytea NOT NULL REFERENCES wallets,
    instrument int NOT NULL REFERENCES instruments,
    change bigint NOT NULL DEFAULT nextval('permission_changes'),
    PRIMARY KEY (address, instrument)
);

-- The permission that the engine was last given, and took, for each account and instrument.
CREATE TABLE permissions (
    account bigint NOT NULL REFERENCES wallets (account),
    instrument int NOT NULL REFERENCES instruments,
    may_buy boolean NOT NULL,
    may_sell boolean NOT NULL,
    valid_until_ns bigint NOT NULL CHECK (valid_until_ns >= 0),
    sell_from_ns bigint NOT NULL CHECK (sell_from_ns >= 0),
    rules_version int NOT NULL,
    facts_hash bytea NOT NULL CHECK (length(facts_hash) = 32),
    reasons text[] NOT NULL, -- why something is not permitted, for its user
    sent_seq bigint NOT NULL, -- of the command that set it
    sent_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account, instrument),
    CHECK (may_buy OR may_sell OR valid_until_ns = 0)
);
CREATE INDEX permissions_by_end ON permissions (valid_until_ns) WHERE valid_until_ns > 0;

-- Who did what to whose facts. Rows are never changed.
CREATE TABLE audit_log (
    entry_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL CHECK (actor <> ''),
    action text NOT NULL CHECK (action <> ''),
    user_id uuid,
    address bytea,
    instrument int,
    details jsonb NOT NULL
);
CREATE INDEX audit_log_by_user ON audit_log (user_id, entry_id);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME;
END
$$;
CREATE TRIGGER audit_log_stands BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_is_kept BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
