"""A declared grid of runs, on this machine, a SLURM partition or a Ray cluster."""
