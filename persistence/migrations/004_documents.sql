-- Documents that people uploaded. The content lies in the document store under its hash; a name is only a label.
CREATE TABLE documents (
    document_id uuid PRIMARY KEY DEFAULT uuidv7(),
    sha256 bytea NOT NULL CHECK (length(sha256) = 32),
    size_bytes bigint NOT NULL CHECK (size_bytes >= 1),
    content_type text NOT NULL CHECK (content_type IN ('application/pdf', 'image/png', 'image/jpeg')), -- by content
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    owner_user_id uuid NOT NULL REFERENCES users,
    purpose text NOT NULL CHECK (purpose ~ '^[A-Z][A-Z0-9_]{0,31}$'),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX documents_by_content ON documents (sha256);
CREATE INDEX documents_by_owner ON documents (owner_user_id, document_id);
CREATE TRIGGER documents_stand BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION refuse_change();
