"""Which theory of savings predicts relearning: of networks, and of people."""
