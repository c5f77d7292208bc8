"""Agents that learn nothing: zero, random, and a model-based controller. No torch."""
