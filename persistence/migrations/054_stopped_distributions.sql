-- A distribution that was stopped on chain: what it did not pay is in the treasury, and its charges can be named again.
ALTER TABLE distributions
    DROP CONSTRAINT distributions_state_check,
    ADD CONSTRAINT distributions_state_check CHECK (state IN ('SET_ASIDE', 'RELEASED', 'DECLARED', 'STOPPED'));
DROP INDEX distributions_one_exit;
CREATE UNIQUE INDEX distributions_one_exit ON distributions (property_id)
    WHERE kind = 'EXIT' AND state NOT IN ('RELEASED', 'STOPPED');

CREATE OR REPLACE FUNCTION require_forward_distribution() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('SET_ASIDE', 'RELEASED'), ('SET_ASIDE', 'DECLARED'), ('DECLARED', 'STOPPED')) THEN
        RAISE EXCEPTION 'distribution % is % already', OLD.distribution_id, OLD.state USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END
$$;

-- What of a charge a stopped distribution gave back.
CREATE TABLE distribution_charges_returned (
    distribution_id uuid NOT NULL,
    charge_id text NOT NULL,
    usdc_micros bigint NOT NULL CHECK (usdc_micros > 0),
    PRIMARY KEY (distribution_id, charge_id),
    FOREIGN KEY (distribution_id, charge_id) REFERENCES distribution_charges
);
CREATE TRIGGER distribution_charges_returned_stand BEFORE UPDATE OR DELETE ON distribution_charges_returned
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE VIEW distribution_charges_in_force AS
    SELECT charge_id, sum(part.usdc_micros - coalesce(returned.usdc_micros, 0))::bigint AS usdc_micros,
           array_agg(distribution_id) AS distributions
    FROM distribution_charges AS part JOIN distributions USING (distribution_id)
    LEFT JOIN distribution_charges_returned AS returned USING (distribution_id, charge_id)
    WHERE state <> 'RELEASED' AND part.usdc_micros > coalesce(returned.usdc_micros, 0) GROUP BY charge_id;
