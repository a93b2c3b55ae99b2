-- Icebergs: the most of them that is shown at a time; 0 for all others.
ALTER TABLE orders ADD COLUMN display_lots bigint NOT NULL DEFAULT 0 CHECK (display_lots >= 0);
