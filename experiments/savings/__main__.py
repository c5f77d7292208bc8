"""``python -m experiments.savings``: see `experiments.savings.command`."""

import sys

from experiments.savings.command import main

if __name__ == "__main__":
    sys.exit(main())
