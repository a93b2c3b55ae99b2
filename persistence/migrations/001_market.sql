-- What the journal says, as rows. Only the projector writes here; every row can be made again from the journal.
-- Prices are ticks, quantities lots, cash USDC micros, times nanoseconds since 1970 UTC.

-- How far each consumer of the journal has come: written in the transaction that wrote what it read.
CREATE TABLE journal_cursors (
    consumer text PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq >= 0),
    frame_hash bytea NOT NULL CHECK (length(frame_hash) = 32), -- of the frame that ends at seq; zeros before the first
    moved_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE listings (
    instrument int PRIMARY KEY CHECK (instrument BETWEEN 1 AND 65535),
    symbol text NOT NULL,
    token bytea NOT NULL CHECK (length(token) = 20),
    tick_value_usdc_micros bigint NOT NULL CHECK (tick_value_usdc_micros >= 1)
);

CREATE TABLE accounts (
    account bigint PRIMARY KEY CHECK (account BETWEEN 1 AND 4294967295),
    owner bigint NOT NULL CHECK (owner BETWEEN 0 AND 4294967295),
    wallet bytea NOT NULL UNIQUE CHECK (length(wallet) = 20),
    opened_seq bigint NOT NULL
);

-- Sides: 0 buy, 1 sell. order_type, time_in_force, self_trade and close_reason are the engine's numbers (engine/types.py).
CREATE TABLE orders (
    order_id bigint PRIMARY KEY CHECK (order_id >= 1),
    accepted_seq bigint NOT NULL,
    accepted_ns bigint NOT NULL,
    account bigint NOT NULL,
    instrument int NOT NULL,
    side smallint NOT NULL CHECK (side IN (0, 1)),
    order_type smallint NOT NULL,
    time_in_force smallint NOT NULL,
    self_trade smallint NOT NULL,
    price_ticks bigint NOT NULL, -- the limit; of a market order its collar
    qty_lots bigint NOT NULL CHECK (qty_lots >= 0),
    quote_usdc_micros bigint NOT NULL,
    expire_ns bigint NOT NULL, -- 0: does not expire
    client_order_id bytea NOT NULL CHECK (length(client_order_id) <= 36),
    open_lots bigint NOT NULL CHECK (open_lots >= 0),
    executed_lots bigint NOT NULL CHECK (executed_lots >= 0),
    executed_usdc_micros bigint NOT NULL CHECK (executed_usdc_micros >= 0),
    close_reason smallint NOT NULL, -- 0: open or filled
    changed_seq bigint NOT NULL,
    changed_ns bigint NOT NULL,
    status text GENERATED ALWAYS AS (
        CASE WHEN close_reason <> 0 THEN 'CLOSED' WHEN open_lots > 0 THEN 'OPEN' ELSE 'FILLED' END
    ) VIRTUAL,
    CHECK (open_lots + executed_lots <= qty_lots),
    CHECK (close_reason = 0 OR open_lots = 0),
    CHECK (close_reason <> 0 OR open_lots + executed_lots = qty_lots)
) WITH (fillfactor = 80);
CREATE INDEX orders_by_account ON orders (account, instrument, order_id);
CREATE INDEX orders_by_client_order_id ON orders (account, client_order_id, order_id) WHERE client_order_id <> '';
CREATE INDEX orders_open ON orders (order_id) WHERE open_lots > 0;

CREATE TABLE trades (
    trade_id bigint PRIMARY KEY CHECK (trade_id >= 1),
    seq bigint NOT NULL,
    time_ns bigint NOT NULL,
    instrument int NOT NULL,
    taker_side smallint NOT NULL CHECK (taker_side IN (0, 1)),
    taker_account bigint NOT NULL,
    maker_account bigint NOT NULL,
    taker_order_id bigint NOT NULL,
    maker_order_id bigint NOT NULL CHECK (maker_order_id < taker_order_id),
    price_ticks bigint NOT NULL CHECK (price_ticks >= 1),
    qty_lots bigint NOT NULL CHECK (qty_lots >= 1),
    notional_usdc_micros bigint NOT NULL CHECK (notional_usdc_micros >= 1),
    taker_fee_usdc_micros bigint NOT NULL CHECK (taker_fee_usdc_micros >= 0),
    maker_fee_usdc_micros bigint NOT NULL CHECK (maker_fee_usdc_micros >= 0)
);
CREATE INDEX trades_by_taker ON trades (taker_account, instrument, trade_id);
CREATE INDEX trades_by_maker ON trades (maker_account, instrument, trade_id);

-- How a trade ended on chain, once that is final. Until then it has no row here.
CREATE TABLE trade_settlements (
    trade_id bigint PRIMARY KEY,
    seq bigint NOT NULL,
    time_ns bigint NOT NULL,
    batch_id bigint NOT NULL,
    reason smallint NOT NULL, -- 0: it settled; else why it failed
    block bigint NOT NULL,
    transaction_hash bytea NOT NULL CHECK (length(transaction_hash) = 32)
);
CREATE INDEX trade_settlements_by_batch ON trade_settlements (batch_id);

CREATE TABLE balances (
    account bigint NOT NULL,
    instrument int NOT NULL, -- 0: USDC
    free bigint NOT NULL,
    held bigint NOT NULL CHECK (held >= 0),
    owed_in bigint NOT NULL,
    owed_out bigint NOT NULL,
    requested bigint NOT NULL,
    level bigint NOT NULL,
    advanced bigint NOT NULL,
    position_lots bigint NOT NULL,
    changed_seq bigint NOT NULL,
    PRIMARY KEY (account, instrument),
    CHECK (level + advanced = free + held + requested + owed_out)
) WITH (fillfactor = 70);

-- Every composition of every batch that the engine took; the one that was mined has the final_ columns.
CREATE TABLE batches (
    batch_id bigint NOT NULL,
    composed_seq bigint NOT NULL,
    attempt bigint NOT NULL,
    trade_after bigint NOT NULL,
    trade_last bigint NOT NULL CHECK (trade_last >= trade_after),
    ejected_count bigint NOT NULL CHECK (ejected_count BETWEEN 0 AND trade_last - trade_after),
    payload_hash bytea NOT NULL CHECK (length(payload_hash) = 32),
    final_seq bigint,
    final_block bigint,
    final_transaction_hash bytea CHECK (length(final_transaction_hash) = 32),
    PRIMARY KEY (batch_id, composed_seq), -- a resent composition has the same attempt
    CHECK ((final_seq IS NULL) = (final_block IS NULL) AND (final_seq IS NULL) = (final_transaction_hash IS NULL))
);
CREATE UNIQUE INDEX batches_final_once ON batches (batch_id) WHERE final_seq IS NOT NULL;
