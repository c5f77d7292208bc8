"""Ensembles of recurrent networks that learn by gradients through a differentiable arm."""
