"""The four-phase experiment on yourself: move the hand with the mouse, and see your own savings."""
