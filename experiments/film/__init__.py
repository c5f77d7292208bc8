"""Films of trials of a finished run, side by side."""
