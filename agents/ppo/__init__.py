"""Proximal policy optimisation: recurrent, for stable-baselines3, and in plain PyTorch."""
