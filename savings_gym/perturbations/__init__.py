"""Perturbations beyond lasting forces: of what is seen, by position, in time and by target."""
