-- Orders that wait for a price: 0 for all others.
ALTER TABLE orders ADD COLUMN stop_ticks bigint NOT NULL DEFAULT 0 CHECK (stop_ticks >= 0);
-- A stop that was triggered is the taker of orders that came after it.
ALTER TABLE trades DROP CONSTRAINT trades_check;
