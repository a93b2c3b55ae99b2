-- What the bank kept of a payout on its way: an operator says so when matching a wire that brings less. The platform
-- carries it.
ALTER TABLE conversions ADD COLUMN short_cents bigint NOT NULL DEFAULT 0
    CHECK (short_cents >= 0), ADD CONSTRAINT conversions_bring_something CHECK (short_cents < amount_cents);

CREATE OR REPLACE FUNCTION conversion_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    states constant text[] := ARRAY['WAITING', 'CREDITED', 'RECEIVED'];
BEGIN
    IF NEW.amount_cents <> OLD.amount_cents OR NEW.deposit_id <> OLD.deposit_id
        OR (NEW.short_cents <> OLD.short_cents AND OLD.state <> 'WAITING')
        OR array_position(states, NEW.state) NOT IN
            (array_position(states, OLD.state), array_position(states, OLD.state) + 1) THEN
        RAISE EXCEPTION 'the conversion of % cannot go from % to %', OLD.reference, OLD.state, NEW.state;
    END IF;
    RETURN NEW;
END
$$;

-- The chart of accounts grows by what the bank kept, and by what is due to a manager in USDC.
ALTER TABLE ledger_accounts DROP CONSTRAINT ledger_accounts_check;
ALTER TABLE ledger_accounts ADD CONSTRAINT ledger_accounts_check CHECK (
    currency = 'USD' AND kind IN (
        'TENANT_RECEIVABLE', 'STRIPE_CLEARING', 'BANK_IN_TRANSIT', 'CIRCLE_BALANCE', 'DISPUTED', 'CONVERSION', 'RENT_DUE',
        'RENT_INCOME', 'RENT_REFUNDS', 'DISPUTE_LOSSES', 'STRIPE_FEES', 'BANK_FEES', 'MANAGEMENT_FEE',
        'MANAGEMENT_FEE_PAYABLE', 'EXPENSES', 'EXPENSES_PAYABLE', 'RESERVE_CONTRIBUTION', 'RESERVE')
    OR currency = 'USDC' AND kind IN (
        'TREASURY_USDC', 'DISTRIBUTOR_USDC', 'CONVERSION', 'MANAGER_PAYABLE', 'RESERVE_CONTRIBUTION', 'RESERVE',
        'DIVIDENDS_SET_ASIDE', 'DIVIDENDS_PAYABLE', 'DIVIDENDS_PAID', 'OWED', 'SALE_PROCEEDS', 'SALE_COSTS',
        'EXIT_SET_ASIDE', 'EXIT_PAYABLE', 'EXIT_PAID'));
