"""Runs, figures and tables, one file an experiment; run as modules from a checkout."""
