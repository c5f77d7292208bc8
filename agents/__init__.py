"""Reference learners: they know the environments, and nothing of the experiments."""
