-- By what the chain's word of a revoked claim names the claim of a grant: keccak256 of its signature. A wallet that was
-- recovered has the identity of the lost one, and so perhaps the same claim.
ALTER TABLE identity_grants ADD COLUMN claim_hash bytea CHECK (length(claim_hash) = 32);
CREATE INDEX identity_grants_by_claim ON identity_grants (claim_hash) WHERE state = 'GRANTED';
