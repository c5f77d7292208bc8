"""The study's figures on our networks, and the page that compares: ``python -m experiments.figures``."""
