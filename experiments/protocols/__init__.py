"""Protocols of motor learning on networks: gradual learning, interference, retention, generalisation."""
