"""``python -m experiments.people``: see `experiments.people.command`."""

import sys

from experiments.people.command import main

if __name__ == "__main__":
    sys.exit(main())
