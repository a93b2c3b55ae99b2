-- An identity on chain stands in one storage for all properties: what the chain says of a wallet has no instrument.
ALTER TABLE identity_registrations RENAME TO identity_registrations_by_instrument;
CREATE TABLE identity_registrations (
    address bytea PRIMARY KEY CHECK (length(address) = 20),
    block bigint NOT NULL CHECK (block >= 0) -- where it was seen FINAL
);
INSERT INTO identity_registrations (address, block)
    SELECT address, min(block) FROM identity_registrations_by_instrument GROUP BY address;
DROP TABLE identity_registrations_by_instrument;

-- What a wallet's claim on chain is to be, and how far that has come. A grant whose claim is revoked never comes back:
-- the next one has the next number.
CREATE TABLE identity_grants (
    address bytea NOT NULL REFERENCES wallets,
    grant_number int NOT NULL CHECK (grant_number >= 1),
    country_numeric smallint NOT NULL CHECK (country_numeric BETWEEN 1 AND 999),
    -- WANTED: to be put on chain; GRANTED: there and FINAL; LAPSING: to be revoked once the account's trades are FINAL
    state text NOT NULL DEFAULT 'WANTED' CHECK (state IN ('WANTED', 'GRANTED', 'LAPSING', 'REVOKED')),
    block bigint CHECK (block >= 0), -- where it was seen granted, then revoked
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (address, grant_number),
    CHECK (state NOT IN ('GRANTED', 'REVOKED') OR block IS NOT NULL)
);
CREATE UNIQUE INDEX identity_grants_live ON identity_grants (address) WHERE state IN ('WANTED', 'GRANTED');
INSERT INTO identity_grants (address, grant_number, country_numeric, state, block)
    SELECT address, 1, country_numeric, 'GRANTED', block
    FROM identity_registrations JOIN wallets USING (address) JOIN residence USING (user_id);
