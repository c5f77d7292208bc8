"""``python -m experiments.theories``, see `experiments.theories.command`."""

import sys

from experiments.theories.command import main

if __name__ == "__main__":
    sys.exit(main())
