"""Experiments: each prints its percentiles, a digest of the work done, and what it leaves out."""
