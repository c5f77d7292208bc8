"""Which agents show savings, one table: ``python -m experiments.benchmark``."""
