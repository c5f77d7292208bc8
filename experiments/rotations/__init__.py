"""Savings under a visuomotor rotation, learnt at once or gradually."""
