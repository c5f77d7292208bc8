"""``python -m experiments.bci``: see `experiments.bci.command`."""

import sys

from experiments.bci.command import main

if __name__ == "__main__":
    sys.exit(main())
