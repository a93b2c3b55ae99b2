-- What loosens a rule of the market takes two people: switches off, limits and bands.
ALTER TABLE approvals DROP CONSTRAINT approvals_kind_check;
ALTER TABLE approvals ADD CONSTRAINT approvals_kind_check CHECK (
    kind IN ('PROPERTY_APPROVE', 'MINT', 'BURN', 'DIVIDEND', 'FREEZE', 'FEE', 'RENT_TERMS', 'MANAGER_PAYMENT', 'HALT_LIFT',
        'ROLES', 'KILL_RELEASE', 'LIMITS', 'BANDS'));
