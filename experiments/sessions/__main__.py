"""``python -m experiments.sessions``: see `experiments.sessions.command`."""

import sys

from experiments.sessions.command import main

if __name__ == "__main__":
    sys.exit(main())
