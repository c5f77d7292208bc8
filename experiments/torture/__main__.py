"""``python -m experiments.torture``, see `experiments.torture.command`."""

import sys

from experiments.torture.command import main

if __name__ == "__main__":
    sys.exit(main())
