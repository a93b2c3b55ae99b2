-- Failed trades stay for good: what looks for open ones, or for a trade's ejection, must not walk over them.
CREATE INDEX settlement_trades_open ON settlement_trades (trade_id) WHERE failed_seq IS NULL;
CREATE INDEX settlement_trades_failed ON settlement_trades (failed_seq) WHERE failed_seq IS NOT NULL;
CREATE INDEX settlement_ejected_by_trade ON settlement_ejected (trade_id);
