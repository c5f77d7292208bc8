"""The four-phase experiment with one thing changed: ``python -m experiments.controls``."""
