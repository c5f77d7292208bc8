"""Proximal policy optimisation: recurrent for stable-baselines3, and plain PyTorch."""
