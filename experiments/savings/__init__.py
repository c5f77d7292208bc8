"""The four-phase experiment: ``python -m experiments.savings``."""
