-- How people sign in. Secrets are here as hashes only, but for the second factor's, which is sealed with a key that the
-- database does not have.

-- A row exists once the person has shown to read the mail of their address, and not before: without it nobody signs in.
CREATE TABLE credentials (
    user_id uuid PRIMARY KEY REFERENCES users,
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    email_verified_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);

-- One-time tokens sent by mail; a used one is deleted. A token that verifies carries the password that was chosen with it,
-- so that nobody else's registration of the same address sets the password.
CREATE TABLE mail_tokens (
    token_hash bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('VERIFY_EMAIL', 'RESET_PASSWORD')),
    password_hash text CHECK (password_hash LIKE '$argon2id$%'),
    expires_at timestamptz NOT NULL,
    CHECK ((kind = 'VERIFY_EMAIL') = (password_hash IS NOT NULL))
);
CREATE INDEX mail_tokens_by_user ON mail_tokens (user_id);

CREATE TABLE sessions (
    session_id uuid PRIMARY KEY DEFAULT uuidv7(),
    user_id uuid NOT NULL REFERENCES users,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    has_second_factor boolean NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL, -- to the minute
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    revoked_at timestamptz
);
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE revoked_at IS NULL;

CREATE TABLE totp (
    user_id uuid PRIMARY KEY REFERENCES users,
    sealed_secret bytea, -- NULL until the first one is confirmed
    pending_secret bytea, -- sealed; begun and not confirmed
    last_step bigint NOT NULL DEFAULT 0, -- of the last code taken: none is taken twice
    CHECK (sealed_secret IS NOT NULL OR pending_secret IS NOT NULL)
);

CREATE TABLE recovery_codes (
    user_id uuid NOT NULL REFERENCES totp,
    code_hash bytea NOT NULL CHECK (length(code_hash) = 32),
    PRIMARY KEY (user_id, code_hash)
);

-- Attempts in the current window by account, address of the network and the like; `key_hash` is sha256 of what is counted.
CREATE TABLE throttles (
    scope text NOT NULL,
    key_hash bytea NOT NULL CHECK (length(key_hash) = 32),
    attempts int NOT NULL CHECK (attempts >= 0),
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (scope, key_hash)
);
CREATE INDEX throttles_by_end ON throttles (ends_at);
