"""The task as Gymnasium environments: single, vector, wrappers, pictures."""
