"""Numba kernels: the arm and recurrent layers, forward and backward. They import nothing of torch."""
