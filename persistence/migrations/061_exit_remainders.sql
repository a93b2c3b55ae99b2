-- What a property has left at its exit (income not distributed, and the reserve) goes to its holders with the price.
ALTER TABLE distributions
    ADD COLUMN remainder_usdc_micros bigint NOT NULL DEFAULT 0 CHECK (remainder_usdc_micros >= 0),
    ADD COLUMN reserve_usdc_micros bigint NOT NULL DEFAULT 0
        CHECK (reserve_usdc_micros BETWEEN 0 AND remainder_usdc_micros), -- what of it was the reserve
    DROP CONSTRAINT distributions_check2,
    ADD CONSTRAINT distributions_are_the_price CHECK (kind = 'DIVIDEND' AND remainder_usdc_micros = 0
        OR price_usdc_micros - costs_usdc_micros + remainder_usdc_micros = usdc_micros);
ALTER TABLE exits ADD COLUMN remainder_usdc_micros bigint NOT NULL DEFAULT 0 CHECK (remainder_usdc_micros >= 0);
