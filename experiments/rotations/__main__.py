"""``python -m experiments.rotations``: see `experiments.rotations.command`."""

import sys

from experiments.rotations.command import main

if __name__ == "__main__":
    sys.exit(main())
