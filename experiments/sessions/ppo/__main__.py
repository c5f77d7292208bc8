"""``python -m experiments.sessions.ppo``: see `experiments.sessions.ppo.command`."""

import sys

from experiments.sessions.ppo.command import main

if __name__ == "__main__":
    sys.exit(main())
