"""Activity of a finished run: ``python -m experiments.activity``, see `experiments.stored.activity`."""

import sys

from experiments.stored.activity import main

if __name__ == "__main__":
    sys.exit(main())
