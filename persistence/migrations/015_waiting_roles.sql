-- Roles of people who have not verified their address yet: they get them when they do.
CREATE TABLE waiting_roles (
    user_id uuid NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN ('TENANT')),
    PRIMARY KEY (user_id, role)
);
