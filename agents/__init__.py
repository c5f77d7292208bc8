"""Reference learners for the environments; they do not depend on the experiments."""
