-- What operators have set in the exchange, as the journal says it; only the projector writes here. What was set before these
-- tables were there is in them from the next time it is set.

-- What an instrument, or the venue (0), does now; without a row it is continuous. Phases are the engine's numbers.
CREATE TABLE phases (
    instrument int PRIMARY KEY CHECK (instrument BETWEEN 0 AND 65535),
    phase smallint NOT NULL,
    ends_ns bigint NOT NULL, -- 0: by a command
    changed_ns bigint NOT NULL
);

ALTER TABLE listings
    ADD COLUMN reference_ticks bigint NOT NULL DEFAULT 0, -- of the static band; 0: none
    ADD COLUMN static_bps bigint NOT NULL DEFAULT 0,
    ADD COLUMN dynamic_bps bigint NOT NULL DEFAULT 0,
    ADD COLUMN volatility_call_ns bigint NOT NULL DEFAULT 0,
    ADD COLUMN period_ns bigint NOT NULL DEFAULT 0; -- of periodic calls; 0: none by itself

-- The switches that are on. Account 0: every account; instrument 0: every instrument.
CREATE TABLE kill_switches (
    account bigint NOT NULL,
    instrument int NOT NULL,
    since_ns bigint NOT NULL, -- when it was put on last
    PRIMARY KEY (account, instrument)
);

-- Limits other than none. Account 0: of every account that has none of its own; a 0 is no limit.
CREATE TABLE order_limits (
    account bigint NOT NULL,
    instrument int NOT NULL,
    notional_usdc_micros_max bigint NOT NULL,
    position_lots_max bigint NOT NULL,
    open_orders_max bigint NOT NULL,
    PRIMARY KEY (account, instrument)
);
