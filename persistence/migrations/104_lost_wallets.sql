-- A recovery gives an account another wallet. Settlement's wallets have a history: a batch is netted again, after rows were
-- lost, with the wallets as they were when it was composed.
ALTER TABLE settlement_wallets DROP CONSTRAINT settlement_wallets_pkey;
ALTER TABLE settlement_wallets DROP CONSTRAINT settlement_wallets_wallet_key;
ALTER TABLE settlement_wallets
    ADD COLUMN instrument int NOT NULL DEFAULT -1, -- -1: the account's wallet; else an asset that stays at an earlier one
    ADD COLUMN seq bigint NOT NULL DEFAULT 0; -- of the command since when it counts
ALTER TABLE settlement_wallets ADD PRIMARY KEY (account, instrument, seq);
ALTER TABLE settlement_wallets ALTER COLUMN instrument DROP DEFAULT, ALTER COLUMN seq DROP DEFAULT;

-- A wallet's row follows its person to the wallet that the lost one was recovered to.
ALTER TABLE permission_queue
    DROP CONSTRAINT permission_queue_address_fkey,
    ADD FOREIGN KEY (address) REFERENCES wallets ON UPDATE CASCADE;
ALTER TABLE identity_grants
    DROP CONSTRAINT identity_grants_address_fkey,
    ADD FOREIGN KEY (address) REFERENCES wallets ON UPDATE CASCADE;
