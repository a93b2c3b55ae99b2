-- What is locked up, as the token's lock-up module says in FINAL events: how much of a wallet, until when. It replaces one date
-- a person, and what of it is over stays.
CREATE TABLE lock_ups (
    address bytea NOT NULL CHECK (length(address) = 20),
    instrument int NOT NULL REFERENCES instruments,
    released_at timestamptz NOT NULL,
    base_units numeric(78, 0) NOT NULL CHECK (base_units >= 0),
    PRIMARY KEY (address, instrument, released_at)
);
DROP TABLE acquisitions;
ALTER TABLE instruments
    DROP COLUMN lock_up_starts_at, -- and the check that it is there
    ADD COLUMN issuer_wallet bytea CHECK (length(issuer_wallet) = 20); -- whose tokens are locked up for who gets them
UPDATE instruments SET issuer_wallet = p.issuer_wallet FROM properties AS p WHERE p.instrument = instruments.instrument;
