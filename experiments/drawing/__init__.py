"""Drawings that several experiments share: style, learning curves, hand paths."""
