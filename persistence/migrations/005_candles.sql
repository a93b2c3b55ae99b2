-- Each instrument's trades by time: candles of four widths, of which every other interval and time zone is made.
-- An interval without a trade has no row.

CREATE TABLE candles (
    instrument int NOT NULL,
    width_s int NOT NULL CHECK (width_s IN (1, 60, 900, 86400)),
    open_s bigint NOT NULL CHECK (open_s % width_s = 0), -- seconds since 1970 UTC
    open_ticks bigint NOT NULL CHECK (open_ticks BETWEEN low_ticks AND high_ticks),
    high_ticks bigint NOT NULL,
    low_ticks bigint NOT NULL CHECK (low_ticks >= 1),
    close_ticks bigint NOT NULL CHECK (close_ticks BETWEEN low_ticks AND high_ticks),
    qty_lots bigint NOT NULL,
    quote_usdc_micros bigint NOT NULL,
    trades bigint NOT NULL CHECK (trades >= 1),
    first_trade_id bigint NOT NULL,
    last_trade_id bigint NOT NULL CHECK (last_trade_id >= first_trade_id),
    taker_buy_lots bigint NOT NULL CHECK (taker_buy_lots BETWEEN 0 AND qty_lots),
    taker_buy_usdc_micros bigint NOT NULL CHECK (taker_buy_usdc_micros BETWEEN 0 AND quote_usdc_micros),
    PRIMARY KEY (instrument, width_s, open_s)
) WITH (fillfactor = 70);

CREATE INDEX trades_by_instrument ON trades (instrument, trade_id);

-- Add the trades [first, last] of all instruments to their candles; each trade is to be added once, in order.
-- EXECUTE looks the tables' names up each time: a comparison puts temporary ones in their place.
CREATE FUNCTION add_to_candles(first bigint, last bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE $query$
        INSERT INTO candles AS c
        SELECT instrument, width_s, time_ns / (width_s * 1000000000) * width_s,
            (array_agg(price_ticks ORDER BY trade_id))[1], max(price_ticks), min(price_ticks),
            (array_agg(price_ticks ORDER BY trade_id DESC))[1], sum(qty_lots)::bigint,
            sum(notional_usdc_micros)::bigint, count(*), min(trade_id), max(trade_id),
            coalesce(sum(qty_lots) FILTER (WHERE taker_side = 0), 0)::bigint,
            coalesce(sum(notional_usdc_micros) FILTER (WHERE taker_side = 0), 0)::bigint
        FROM trades CROSS JOIN unnest('{1, 60, 900, 86400}'::bigint[]) AS widths (width_s)
        WHERE trade_id BETWEEN $1 AND $2
        GROUP BY 1, 2, 3
        ON CONFLICT (instrument, width_s, open_s) DO UPDATE SET
            high_ticks = greatest(c.high_ticks, excluded.high_ticks),
            low_ticks = least(c.low_ticks, excluded.low_ticks),
            close_ticks = excluded.close_ticks,
            qty_lots = c.qty_lots + excluded.qty_lots,
            quote_usdc_micros = c.quote_usdc_micros + excluded.quote_usdc_micros,
            trades = c.trades + excluded.trades,
            last_trade_id = excluded.last_trade_id,
            taker_buy_lots = c.taker_buy_lots + excluded.taker_buy_lots,
            taker_buy_usdc_micros = c.taker_buy_usdc_micros + excluded.taker_buy_usdc_micros
    $query$ USING first, last;
END
$$;

SELECT add_to_candles(1, 9223372036854775807);
