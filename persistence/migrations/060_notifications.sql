-- What people are told, on the pages and by mail.

-- In the order in which they became visible: positions are given at commit, one commit at a time, so that whoever has
-- seen a position has seen every lower one. (A commit that notifies waits for the ones before it in any case.)
CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY DEFAULT uuidv7(),
    user_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind ~ '^[A-Z][A-Z0-9_]{0,63}$'),
    text text NOT NULL CHECK (text <> '' AND length(text) <= 1000),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    position bigint UNIQUE CHECK (position >= 1) -- NULL only inside the transaction that writes it
);
CREATE INDEX notifications_by_user ON notifications (user_id, position);
CREATE SEQUENCE notification_positions;

CREATE FUNCTION notification_visible() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Held until the commit is done. The lock that orders the audit log's links, too: two locks in two orders would block.
    PERFORM pg_advisory_xact_lock(7234299858246788212);
    UPDATE notifications SET position = nextval('notification_positions') WHERE notification_id = NEW.notification_id;
    PERFORM pg_notify('notifications', NEW.user_id::text);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER notifications_become_visible AFTER INSERT ON notifications
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION notification_visible();

-- Mails that wait, were sent, or were given up. A one-time token stands in `data` only until then.
CREATE TABLE mails (
    mail_id uuid PRIMARY KEY DEFAULT uuidv7(), -- also its Message-ID: a mail that is sent twice is known as one
    user_id uuid NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,63}$'),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    state text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'SENT', 'FAILED')),
    attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- begun
    send_after timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    failure text NOT NULL DEFAULT '', -- why the last attempt failed: a word and a status, never what the server said
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'SENT') = (sent_at IS NOT NULL)),
    CHECK (state = 'QUEUED' OR NOT data ? 'token')
);
CREATE INDEX mails_queued ON mails (send_after) WHERE state = 'QUEUED';
