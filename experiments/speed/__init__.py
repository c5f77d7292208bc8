"""What updates, probes and steps cost: ``python -m experiments.speed``."""
