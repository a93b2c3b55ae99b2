-- Accreditation: what a person submits, and what a compliance officer, never the same person, says of it.
CREATE TABLE accreditation_reviews (
    review_id uuid PRIMARY KEY DEFAULT uuidv7(),
    user_id uuid NOT NULL REFERENCES users,
    state text NOT NULL DEFAULT 'SUBMITTED' CHECK (state IN ('SUBMITTED', 'APPROVED', 'REJECTED')),
    submitted_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    decided_by uuid REFERENCES users CHECK (decided_by <> user_id),
    expires_at timestamptz,
    reason text NOT NULL DEFAULT '',
    CHECK ((state = 'SUBMITTED') = (decided_at IS NULL) AND (decided_at IS NULL) = (decided_by IS NULL)),
    CHECK ((state = 'APPROVED') = (expires_at IS NOT NULL)),
    CHECK ((state = 'REJECTED') = (reason <> ''))
);
CREATE UNIQUE INDEX accreditation_reviews_open ON accreditation_reviews (user_id) WHERE state = 'SUBMITTED';
CREATE INDEX accreditation_reviews_by_state ON accreditation_reviews (state, review_id);

CREATE TABLE accreditation_documents (
    document_id uuid PRIMARY KEY REFERENCES documents,
    user_id uuid NOT NULL REFERENCES users,
    review_id uuid REFERENCES accreditation_reviews -- once it is submitted
);
CREATE INDEX accreditation_documents_by_review ON accreditation_documents (review_id);
CREATE INDEX accreditation_documents_unsubmitted ON accreditation_documents (user_id) WHERE review_id IS NULL;

-- What a person was reminded of, once for each end and number of days.
CREATE TABLE expiry_reminders (
    user_id uuid NOT NULL REFERENCES users,
    subject text NOT NULL CHECK (subject IN ('KYC', 'ACCREDITATION')),
    expires_at timestamptz NOT NULL,
    days smallint NOT NULL CHECK (days IN (0, 1, 7, 30)), -- 0: it has ended
    reminded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, subject, expires_at, days)
);
