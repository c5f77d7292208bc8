"""What every run shares: its folder, its command line, running commands side by side."""
