"""Examples to copy from, each a script of one page: ``python -m experiments.examples.NAME --quick``."""
