-- The text that a person was asked to sign to show that a wallet is theirs: one at a time, used once.
CREATE TABLE wallet_challenges (
    user_id uuid PRIMARY KEY REFERENCES users,
    address bytea NOT NULL CHECK (length(address) = 20),
    message text NOT NULL,
    expires_at timestamptz NOT NULL
);
