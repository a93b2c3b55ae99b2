-- A property on its way out: trading halted, orders cancelled, trades settled, tokens still.
CREATE TABLE liquidations (
    property_id uuid PRIMARY KEY,
    instrument int NOT NULL UNIQUE CHECK (instrument BETWEEN 1 AND 65535),
    token bytea NOT NULL CHECK (length(token) = 20),
    started_by uuid NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    cancel_only_seq bigint CHECK (cancel_only_seq >= 1), -- from here on nobody places an order
    halt_seq bigint CHECK (halt_seq >= 1), -- from here on nothing of it trades
    still_block bigint CHECK (still_block >= 0), -- from here on no holder can move it, and every trade of it is settled
    CHECK (halt_seq IS NULL OR cancel_only_seq < halt_seq),
    CHECK (still_block IS NULL OR halt_seq IS NOT NULL)
);
