-- What of an account's tokens is locked up is a number now, and less of it at each release.
ALTER TABLE permissions
    DROP COLUMN sell_from_ns,
    ADD COLUMN locked_lots bigint NOT NULL DEFAULT 0 CHECK (locked_lots >= 0),
    ADD COLUMN next_release_ns bigint NOT NULL DEFAULT 0 CHECK (next_release_ns >= 0); -- 0: none to come
ALTER TABLE permissions ALTER COLUMN locked_lots DROP DEFAULT, ALTER COLUMN next_release_ns DROP DEFAULT;
CREATE INDEX permissions_by_release ON permissions (next_release_ns) WHERE next_release_ns > 0;
