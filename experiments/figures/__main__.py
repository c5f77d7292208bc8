"""``python -m experiments.figures``: see `experiments.figures.command`."""

import sys

from experiments.figures.command import main

if __name__ == "__main__":
    sys.exit(main())
