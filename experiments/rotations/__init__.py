"""Savings under a visuomotor rotation, learned at once or gradually."""
