"""Agents without torch: zero, random, a model-based controller, and theories of learning that use it."""
