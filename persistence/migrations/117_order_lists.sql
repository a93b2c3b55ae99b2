-- Orders that were placed together, and of which one decides about the others: list_kind is the engine's ListKind.
CREATE TABLE order_lists (
    list_id bigint PRIMARY KEY, -- its first leg's order_id; the others' follow
    listed_seq bigint NOT NULL,
    listed_ns bigint NOT NULL,
    account bigint NOT NULL,
    instrument int NOT NULL,
    list_kind smallint NOT NULL,
    legs smallint NOT NULL CHECK (legs BETWEEN 2 AND 3),
    list_client_order_id bytea NOT NULL CHECK (length(list_client_order_id) <= 36),
    done_seq bigint NOT NULL, -- 0: not all of its legs are done
    done_ns bigint NOT NULL
);
CREATE INDEX order_lists_by_account ON order_lists (account, list_id);
CREATE INDEX order_lists_by_client_order_id ON order_lists (account, list_client_order_id, list_id)
    WHERE list_client_order_id <> '';
ALTER TABLE orders ADD COLUMN list_id bigint NOT NULL DEFAULT 0; -- 0: it is no leg
ALTER TABLE orders ADD COLUMN is_pending boolean NOT NULL DEFAULT false; -- a leg that waits until another one is filled
