-- What two people decided to pay to a property's manager: of the management fee, and of expenses that the manager laid out.
CREATE TABLE manager_payments (
    payment_id uuid PRIMARY KEY, -- the approval's
    property_id uuid NOT NULL,
    wallet bytea NOT NULL CHECK (length(wallet) = 20),
    management_fee_cents bigint NOT NULL CHECK (management_fee_cents >= 0),
    expenses_cents bigint NOT NULL CHECK (expenses_cents >= 0),
    -- APPROVED: set aside; PAID: the USDC is at the wallet, FINAL; FAILED: it cannot be sent, and is owed as before
    state text NOT NULL DEFAULT 'APPROVED' CHECK (state IN ('APPROVED', 'PAID', 'FAILED')),
    failure text NOT NULL DEFAULT '',
    transaction bytea CHECK (length(transaction) = 32),
    decided_at timestamptz NOT NULL DEFAULT now(),
    CHECK (management_fee_cents + expenses_cents > 0),
    CHECK ((state = 'PAID') = (transaction IS NOT NULL)),
    CHECK ((state = 'FAILED') = (failure <> ''))
);
CREATE INDEX manager_payments_by_property ON manager_payments (property_id, decided_at);

CREATE FUNCTION manager_payments_end_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'APPROVED' OR (NEW.property_id, NEW.wallet, NEW.management_fee_cents, NEW.expenses_cents)
        IS DISTINCT FROM (OLD.property_id, OLD.wallet, OLD.management_fee_cents, OLD.expenses_cents) THEN
        RAISE EXCEPTION 'payment % stands', OLD.payment_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER manager_payments_end_once BEFORE UPDATE ON manager_payments
    FOR EACH ROW EXECUTE FUNCTION manager_payments_end_once();

ALTER TABLE approvals DROP CONSTRAINT approvals_kind_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_kind_check CHECK (
    kind IN ('PROPERTY_APPROVE', 'MINT', 'BURN', 'DIVIDEND', 'FREEZE', 'FEE', 'RENT_TERMS', 'MANAGER_PAYMENT', 'HALT_LIFT',
        'ROLES'));
