-- The last block that the engine knew of when it set a release's amount aside: a request made later is another one.
ALTER TABLE settlement_releases ADD COLUMN known_block bigint NOT NULL DEFAULT 0;
ALTER TABLE settlement_releases ALTER COLUMN known_block DROP DEFAULT;
