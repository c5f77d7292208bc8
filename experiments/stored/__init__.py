"""What a finished run holds: activity, preparation, probes of its networks."""
