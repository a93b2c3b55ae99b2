-- What the chain said, as far as people and jobs care; the engine's levels come another way (settlement/listener.py).

-- The blocks that were recorded whole and may still be reorganized away, and the last FINAL one below them.
CREATE TABLE chain_blocks (
    block bigint PRIMARY KEY CHECK (block >= 0),
    block_hash bytea NOT NULL UNIQUE CHECK (length(block_hash) = 32),
    is_final boolean NOT NULL
);
CREATE UNIQUE INDEX chain_blocks_final_once ON chain_blocks (is_final) WHERE is_final;

CREATE TABLE chain_events (
    block_hash bytea NOT NULL CHECK (length(block_hash) = 32),
    log_index int NOT NULL CHECK (log_index >= 0),
    block bigint NOT NULL CHECK (block >= 0),
    transaction bytea NOT NULL CHECK (length(transaction) = 32),
    contract bytea NOT NULL CHECK (length(contract) = 20),
    name text NOT NULL CHECK (name ~ '^[A-Z][a-z]+[.][A-Z][A-Za-z]+$'),
    data jsonb NOT NULL,
    -- REMOVED: its block is no longer on the chain
    state text NOT NULL CHECK (state IN ('MINED', 'FINAL', 'REMOVED')),
    -- What follows from it, once it is FINAL. FAILED: given up until an operator has it tried again.
    effect text NOT NULL DEFAULT 'NONE' CHECK (effect IN ('NONE', 'PENDING', 'DONE', 'FAILED')),
    failures int NOT NULL DEFAULT 0 CHECK (failures >= 0), -- in a row
    failure text NOT NULL DEFAULT '',
    try_after timestamptz NOT NULL DEFAULT now(),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (block_hash, log_index),
    CHECK (effect = 'NONE' OR state = 'FINAL'),
    CHECK (effect <> 'FAILED' OR failure <> '')
);
CREATE UNIQUE INDEX chain_events_final_once ON chain_events (block, log_index) WHERE state = 'FINAL';
CREATE INDEX chain_events_mined ON chain_events (block) WHERE state = 'MINED';
CREATE INDEX chain_events_pending ON chain_events (block, log_index) WHERE effect = 'PENDING';
CREATE INDEX chain_events_failed ON chain_events (block, log_index) WHERE effect = 'FAILED';
CREATE INDEX chain_events_by_transaction ON chain_events (transaction);
CREATE INDEX chain_events_by_contract ON chain_events (contract, name, block, log_index);

-- FINAL is for ever, and what was done is not done again.
CREATE FUNCTION chain_event_goes_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state = 'FINAL' AND NEW.state <> 'FINAL') OR (OLD.effect = 'DONE' AND NEW.effect <> 'DONE') THEN
        RAISE EXCEPTION 'chain event %/% cannot go back', NEW.block, NEW.log_index;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER chain_events_go_forward BEFORE UPDATE ON chain_events
    FOR EACH ROW EXECUTE FUNCTION chain_event_goes_forward();
