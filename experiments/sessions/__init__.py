"""Memory across trials: networks trained through sessions, then tested with fixed weights."""
