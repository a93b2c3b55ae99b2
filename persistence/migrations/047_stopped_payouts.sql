-- A payout that the contract's owner cancelled: what was paid and owed stands, the rest is in the treasury again. STOPPED
-- is its end; the lines that were still DUE are RETURNED, in the transaction that gave their money back.
ALTER TABLE payouts
    DROP CONSTRAINT payouts_state_check, DROP CONSTRAINT payouts_check3, DROP CONSTRAINT payouts_check4,
    DROP CONSTRAINT payouts_check6,
    ADD CONSTRAINT payouts_state_check CHECK (
        state IN ('PREPARING', 'PREPARED', 'APPROVED', 'DECLARED', 'PAID', 'STOPPED', 'CANCELLED', 'FAILED')),
    ADD CONSTRAINT payouts_have_a_list CHECK (state NOT IN ('PREPARED', 'APPROVED', 'DECLARED', 'PAID', 'STOPPED')
        OR (head IS NOT NULL AND payload IS NOT NULL AND dust_usdc_micros IS NOT NULL AND chunk_holders IS NOT NULL)),
    ADD CONSTRAINT payouts_are_approved CHECK (
        state NOT IN ('APPROVED', 'DECLARED', 'PAID', 'STOPPED') OR approval_id IS NOT NULL),
    ADD CONSTRAINT payouts_are_declared CHECK (
        (state IN ('DECLARED', 'PAID', 'STOPPED')) = (declared_block IS NOT NULL));
DROP INDEX payouts_one_exit;
CREATE UNIQUE INDEX payouts_one_exit ON payouts (property_id)
    WHERE kind = 'EXIT' AND state NOT IN ('CANCELLED', 'FAILED', 'STOPPED');
ALTER TABLE payout_lines
    DROP CONSTRAINT payout_lines_state_check,
    ADD CONSTRAINT payout_lines_state_check CHECK (state IN ('DUE', 'PAID', 'OWED', 'CLAIMED', 'RETURNED'));

CREATE OR REPLACE FUNCTION payouts_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('PREPARING', 'PREPARED'), ('PREPARED', 'APPROVED'), ('APPROVED', 'DECLARED'), ('DECLARED', 'PAID'),
        ('DECLARED', 'STOPPED'),
        ('PREPARING', 'FAILED'), ('APPROVED', 'FAILED'), ('PREPARING', 'CANCELLED'), ('PREPARED', 'CANCELLED'))
    THEN
        RAISE EXCEPTION 'a payout goes from % to % never', OLD.state, NEW.state;
    END IF;
    IF OLD.state NOT IN ('PREPARING') AND (NEW.head, NEW.payload, NEW.pool_usdc_micros, NEW.dust_usdc_micros)
        IS DISTINCT FROM (OLD.head, OLD.payload, OLD.pool_usdc_micros, OLD.dust_usdc_micros)
    THEN
        RAISE EXCEPTION 'what payout % pays stands', OLD.payout_id;
    END IF;
    RETURN NEW;
END
$$;
