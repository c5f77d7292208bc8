"""``python -m savings_gym.play``."""

import sys

from savings_gym.play.command import main

if __name__ == "__main__":
    sys.exit(main())
