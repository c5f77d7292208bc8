"""What finished runs hold: their activity, preparation, probes and memory trace."""
