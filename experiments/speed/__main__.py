"""``python -m experiments.speed``, see `experiments.speed.command`."""

import sys

from experiments.speed.command import main

if __name__ == "__main__":
    sys.exit(main())
