-- An instrument's trading day. Times are local, in the zone; weekdays are ISO numbers, 1 is Monday.
CREATE TABLE schedules (
    instrument int PRIMARY KEY REFERENCES instruments (instrument),
    zone text NOT NULL, -- IANA
    weekdays smallint[] NOT NULL,
    holidays date[] NOT NULL,
    pre_open time NOT NULL,
    opening_call time NOT NULL,
    continuous time NOT NULL,
    closing_call time NOT NULL,
    close time NOT NULL,
    trading smallint NOT NULL, -- the phase of the continuous part, the engine's number
    due_at timestamptz, -- when the phase is looked at next; null: somebody has the instrument in hand
    CHECK (pre_open <= opening_call AND opening_call <= continuous AND continuous < closing_call AND closing_call <= close)
);
CREATE INDEX schedules_due ON schedules (due_at);
