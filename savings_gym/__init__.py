"""Gymnasium environments for savings: a muscle-driven arm that learns, forgets and relearns a force field."""
