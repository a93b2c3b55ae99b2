-- What people may do besides what is their own. Everybody whose mail is verified is an INVESTOR.
CREATE TABLE user_roles (
    user_id uuid NOT NULL REFERENCES credentials,
    role text NOT NULL CHECK (role IN
        ('INVESTOR', 'PROPERTY_MANAGER', 'TENANT', 'COMPLIANCE_OFFICER', 'ADMIN', 'SETTLEMENT_OPERATOR')),
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, role)
);
CREATE INDEX user_roles_by_role ON user_roles (role);
