"""Agents that do not learn: zero, random, and a model-based controller, without torch."""
