"""PPO at a brain-computer interface: a decoder that turns the cursor, and a sham."""
