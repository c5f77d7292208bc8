"""Agents and reaches for others: datasets in Minari's format, model cards, and agents by their name."""
