"""``python -m experiments.bci.ppo``: see `experiments.bci.ppo.command`."""

import sys

from experiments.bci.ppo.command import main

if __name__ == "__main__":
    sys.exit(main())
