-- Each time that a trader made an order smaller: its quantity from then on, and by how much.
CREATE TABLE order_amendments (
    order_id bigint NOT NULL,
    seq bigint NOT NULL,
    time_ns bigint NOT NULL,
    qty_lots bigint NOT NULL CHECK (qty_lots >= 1),
    removed_lots bigint NOT NULL CHECK (removed_lots >= 1),
    PRIMARY KEY (order_id, seq)
);
