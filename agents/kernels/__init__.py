"""Numba kernels without torch: the arm and recurrent layers, forward and backward."""
