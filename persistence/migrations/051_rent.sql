-- Who rents what for how much, and what is due. Of a tenant only the user's id is known here.

CREATE TABLE rent_terms (
    property_id uuid PRIMARY KEY,
    management_fee_bps int NOT NULL CHECK (management_fee_bps >= 0), -- of the rent that is kept
    reserve_bps int NOT NULL CHECK (reserve_bps >= 0),
    CHECK (management_fee_bps + reserve_bps <= 10000)
);

CREATE TABLE leases (
    lease_id uuid PRIMARY KEY DEFAULT uuidv7(),
    property_id uuid NOT NULL,
    unit text NOT NULL CHECK (length(unit) BETWEEN 1 AND 40),
    tenant_id uuid NOT NULL REFERENCES users,
    rent_cents bigint NOT NULL CHECK (rent_cents BETWEEN 50 AND 99999999), -- what one Stripe charge can be
    due_day smallint NOT NULL CHECK (due_day BETWEEN 1 AND 28),
    starts_on date NOT NULL,
    ends_on date CHECK (ends_on >= starts_on), -- the last day; NULL: until it is ended
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX leases_by_property ON leases (property_id, unit);
CREATE INDEX leases_by_tenant ON leases (tenant_id);

-- The rent of one lease for one month, once somebody asked for it.
CREATE TABLE rents (
    rent_id uuid PRIMARY KEY DEFAULT uuidv7(),
    lease_id uuid NOT NULL REFERENCES leases,
    period date NOT NULL CHECK (extract(day FROM period) = 1),
    amount_cents bigint NOT NULL CHECK (amount_cents >= 50),
    due_on date NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (lease_id, period)
);

CREATE TABLE expenses (
    expense_id uuid PRIMARY KEY DEFAULT uuidv7(),
    property_id uuid NOT NULL,
    amount_cents bigint NOT NULL CHECK (amount_cents BETWEEN 1 AND 99999999999),
    what text NOT NULL CHECK (length(what) BETWEEN 1 AND 200),
    document_id uuid,
    spent_on date NOT NULL,
    entered_by uuid NOT NULL REFERENCES users,
    entered_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX expenses_by_property ON expenses (property_id, spent_on);
CREATE TRIGGER expenses_stand BEFORE UPDATE OR DELETE ON expenses FOR EACH ROW EXECUTE FUNCTION refuse_change();
