-- Settlement's own books: what it must know to go on after a kill at any point. Everything is written here before it is
-- sent. Amounts are integers: lots, USDC micros, wei; a token's base units do not fit a bigint, hence numeric.

CREATE TABLE settlement_instruments (
    instrument int PRIMARY KEY,
    token bytea NOT NULL CHECK (length(token) = 20),
    fee_account bigint NOT NULL,
    tick_value_usdc_micros bigint NOT NULL CHECK (tick_value_usdc_micros >= 1),
    lot_base_units numeric(39) NOT NULL CHECK (lot_base_units >= 1) -- how many of the token's units one lot has
);

CREATE TABLE settlement_wallets (
    account bigint PRIMARY KEY,
    wallet bytea NOT NULL UNIQUE CHECK (length(wallet) = 20)
);

-- Trades that are not settled yet, and those that failed. One that settled is FINAL in trade_settlements and leaves.
CREATE TABLE settlement_trades (
    trade_id bigint PRIMARY KEY,
    instrument int NOT NULL,
    buyer_account bigint NOT NULL,
    seller_account bigint NOT NULL,
    qty_lots bigint NOT NULL CHECK (qty_lots >= 1),
    notional_usdc_micros bigint NOT NULL CHECK (notional_usdc_micros >= 1),
    buyer_fee_usdc_micros bigint NOT NULL CHECK (buyer_fee_usdc_micros >= 0),
    seller_fee_usdc_micros bigint NOT NULL CHECK (seller_fee_usdc_micros >= 0),
    seq bigint NOT NULL,
    time_ns bigint NOT NULL,
    frame_seq bigint NOT NULL, -- the last command of the journal frame that holds it, and that frame's hash
    frame_hash bytea NOT NULL CHECK (length(frame_hash) = 32),
    failed_seq bigint -- when the engine heard that it failed
);

CREATE TABLE settlement_batches (
    batch_id bigint PRIMARY KEY,
    trade_after bigint NOT NULL,
    trade_last bigint NOT NULL CHECK (trade_last > trade_after),
    journal_seq bigint NOT NULL,
    journal_hash bytea NOT NULL CHECK (length(journal_hash) = 32),
    -- PREPARED: written here only; COMPOSED: durable in the journal; the rest as the trader sees it.
    state text NOT NULL CHECK (state IN ('PREPARED', 'COMPOSED', 'SUBMITTED', 'MINED', 'FINAL')),
    mined_attempt bigint,
    mined_block bigint,
    mined_block_hash bytea,
    mined_transaction bytea,
    gas_used bigint,
    changed_at timestamptz NOT NULL DEFAULT now(),
    CHECK (state NOT IN ('MINED', 'FINAL') OR (mined_block IS NOT NULL AND mined_transaction IS NOT NULL))
);
CREATE INDEX settlement_batches_open ON settlement_batches (batch_id) WHERE state <> 'FINAL';

CREATE TABLE settlement_attempts (
    batch_id bigint NOT NULL REFERENCES settlement_batches,
    attempt bigint NOT NULL CHECK (attempt >= 1),
    call_data bytea NOT NULL,
    payload_hash bytea NOT NULL CHECK (length(payload_hash) = 32),
    gas_estimated bigint NOT NULL,
    fills int NOT NULL,
    legs int NOT NULL,
    composed_seq bigint, -- of its ComposeBatch command; null while the journal does not hold it
    PRIMARY KEY (batch_id, attempt)
);

CREATE TABLE settlement_ejected (
    batch_id bigint NOT NULL,
    attempt bigint NOT NULL,
    trade_id bigint NOT NULL,
    reason smallint NOT NULL CHECK (reason >= 96),
    revert_data bytea NOT NULL,
    PRIMARY KEY (batch_id, attempt, trade_id),
    FOREIGN KEY (batch_id, attempt) REFERENCES settlement_attempts
);

CREATE TABLE settlement_releases (
    release_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    seq bigint NOT NULL, -- of the command that answered with WithdrawalReady
    account bigint NOT NULL,
    instrument int NOT NULL, -- 0: USDC
    amount bigint NOT NULL CHECK (amount >= 1), -- micros or lots
    -- DROPPED: a later request took its place, or the chain would refuse it; `detail` says which
    state text NOT NULL CHECK (state IN ('READY', 'SUBMITTED', 'MINED', 'FINAL', 'DROPPED')),
    mined_block bigint,
    detail text NOT NULL DEFAULT '',
    UNIQUE (seq, account, instrument)
);
CREATE INDEX settlement_releases_open ON settlement_releases (release_id) WHERE state NOT IN ('FINAL', 'DROPPED');

-- Every transaction that was ever signed, whole, before it was sent.
CREATE TABLE settlement_transactions (
    transaction bytea PRIMARY KEY CHECK (length(transaction) = 32),
    purpose text NOT NULL, -- batch/N or release/N
    attempt bigint NOT NULL, -- of the batch; 0 for a release
    sender bytea NOT NULL CHECK (length(sender) = 20),
    nonce bigint NOT NULL CHECK (nonce >= 0),
    gas_limit bigint NOT NULL,
    max_fee_wei numeric(39) NOT NULL,
    priority_fee_wei numeric(39) NOT NULL,
    raw bytea NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    is_done boolean NOT NULL DEFAULT false -- mined and FINAL, or its nonce was taken by another that is
);
CREATE INDEX settlement_transactions_by_purpose ON settlement_transactions (purpose);
CREATE INDEX settlement_transactions_open ON settlement_transactions (sender, nonce) WHERE NOT is_done;

-- One row. The engine's position on the chain as the journal tells it, what of the chain we last saw as FINAL, and what
-- keeps settlement from working ('' for nothing).
CREATE TABLE settlement_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    engine_block bigint NOT NULL DEFAULT 0,
    engine_log_index bigint NOT NULL DEFAULT 0,
    seen_block bigint NOT NULL DEFAULT 0,
    seen_hash bytea,
    trouble text NOT NULL DEFAULT ''
);
INSERT INTO settlement_state DEFAULT VALUES;
