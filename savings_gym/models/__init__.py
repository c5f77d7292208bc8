"""Theories of savings: models of trial-by-trial learning that simulate, fit and predict."""
