-- Transactions that happen once: the signed bytes of each named step, written before they are sent.
CREATE TABLE chain_steps (
    name text PRIMARY KEY CHECK (name <> ''), -- the sender's address, then the step
    raw bytea NOT NULL CHECK (length(raw) > 0),
    stored_at timestamptz NOT NULL DEFAULT now()
);
