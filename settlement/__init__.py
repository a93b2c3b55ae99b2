"""Durable trades to batches to the chain, and the chain's results back; tokenization, sale, dividends, exit."""
