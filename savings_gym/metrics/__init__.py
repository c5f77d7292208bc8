"""Measures of behaviour: arrays in, numbers out; no learner, no environment."""
