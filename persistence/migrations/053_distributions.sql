-- What is set aside for holders: a dividend out of named charges, or the price of a property at its exit.

CREATE TABLE distributions (
    distribution_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('DIVIDEND', 'EXIT')),
    property_id uuid NOT NULL,
    usdc_micros bigint NOT NULL CHECK (usdc_micros > 0),
    price_usdc_micros bigint CHECK (price_usdc_micros > 0), -- of an exit
    costs_usdc_micros bigint CHECK (costs_usdc_micros >= 0),
    state text NOT NULL DEFAULT 'SET_ASIDE' CHECK (state IN ('SET_ASIDE', 'RELEASED', 'DECLARED')),
    CHECK ((kind = 'EXIT') = (price_usdc_micros IS NOT NULL)),
    CHECK ((kind = 'EXIT') = (costs_usdc_micros IS NOT NULL)),
    CHECK (kind = 'DIVIDEND' OR price_usdc_micros - costs_usdc_micros = usdc_micros)
);
CREATE INDEX distributions_by_property ON distributions (property_id);
CREATE UNIQUE INDEX distributions_one_exit ON distributions (property_id) WHERE kind = 'EXIT' AND state <> 'RELEASED';

CREATE FUNCTION require_forward_distribution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND OLD.state <> 'SET_ASIDE' THEN
        RAISE EXCEPTION 'distribution % is % already', OLD.distribution_id, OLD.state USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER distributions_go_forward BEFORE UPDATE ON distributions
    FOR EACH ROW EXECUTE FUNCTION require_forward_distribution();

-- The charges that a dividend is made of, oldest first; they sum to it.
CREATE TABLE distribution_charges (
    distribution_id uuid NOT NULL REFERENCES distributions,
    charge_id text NOT NULL REFERENCES stripe_charges,
    usdc_micros bigint NOT NULL CHECK (usdc_micros > 0),
    PRIMARY KEY (distribution_id, charge_id)
);
CREATE INDEX distribution_charges_by_charge ON distribution_charges (charge_id);
CREATE TRIGGER distribution_charges_stand BEFORE UPDATE OR DELETE ON distribution_charges
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE VIEW distribution_charges_in_force AS
    SELECT charge_id, sum(part.usdc_micros)::bigint AS usdc_micros, array_agg(distribution_id) AS distributions
    FROM distribution_charges AS part JOIN distributions USING (distribution_id)
    WHERE state <> 'RELEASED' GROUP BY charge_id;

-- What each charge brought, what of it is gone, and how far its money has come.
-- net_cents is its part of what can be distributed: what was booked to income, less its fee, refunds, disputes and shares.
CREATE VIEW rent_charges AS
    SELECT charge.charge_id, charge.property_id, charge.rent_id, charge.charged_at, charge.amount_cents, charge.is_surplus,
           charge.management_fee_cents, charge.reserve_cents, moved.fee_cents, moved.refunded_cents, moved.disputed_cents,
           CASE WHEN charge.is_surplus THEN -moved.income_fee_cents
                ELSE charge.amount_cents - moved.income_fee_cents - moved.income_refunded_cents
                     - moved.income_disputed_cents - charge.management_fee_cents - charge.reserve_cents
           END AS net_cents,
           payout.payout_id, payout.transfer_id IS NOT NULL AS is_usdc,
           coalesce(named.usdc_micros, 0) AS named_usdc_micros,
           coalesce(named.distributions, '{}') AS distributions
    FROM stripe_charges AS charge
    JOIN LATERAL (
        SELECT coalesce(sum(fee_cents), 0)::bigint AS fee_cents,
               coalesce(sum(fee_cents) FILTER (WHERE fee_contra = 'STRIPE_FEES'), 0)::bigint AS income_fee_cents,
               coalesce(-sum(amount_cents) FILTER (WHERE kind = 'REFUND'), 0)::bigint AS refunded_cents,
               coalesce(-sum(amount_cents) FILTER (WHERE contra = 'RENT_REFUNDS'), 0)::bigint AS income_refunded_cents,
               coalesce(-sum(amount_cents) FILTER (WHERE kind = 'DISPUTE'), 0)::bigint AS disputed_cents,
               coalesce(-sum(amount_cents) FILTER (WHERE contra = 'DISPUTED'), 0)::bigint AS income_disputed_cents
        FROM stripe_movements WHERE stripe_movements.charge_id = charge.charge_id
    ) AS moved ON true
    LEFT JOIN stripe_movements AS paid ON paid.charge_id = charge.charge_id AND paid.kind = 'CHARGE'
    LEFT JOIN stripe_payout_movements AS held ON held.movement_id = paid.movement_id
    -- a payout that failed gave its charges back to Stripe: they come with the one that holds its failure
    LEFT JOIN stripe_payouts AS payout ON payout.payout_id = held.payout_id
    LEFT JOIN distribution_charges_in_force AS named ON named.charge_id = charge.charge_id;
