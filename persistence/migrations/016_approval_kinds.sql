-- Rent terms are no trading fees: each has a kind of its own. Proposals of rent terms that wait are made anew.
ALTER TABLE approvals DROP CONSTRAINT approvals_kind_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_kind_check CHECK (
    kind IN ('PROPERTY_APPROVE', 'MINT', 'BURN', 'DIVIDEND', 'FREEZE', 'FEE', 'RENT_TERMS', 'HALT_LIFT', 'ROLES'));
UPDATE approvals SET state = 'EXPIRED', decided_at = now()
    WHERE kind = 'FEE' AND state = 'PROPOSED' AND (payload::jsonb) ? 'management_fee_bps';
