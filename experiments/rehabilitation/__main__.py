"""``python -m experiments.rehabilitation``: see `experiments.rehabilitation.command`."""

import sys

from experiments.rehabilitation.command import main

if __name__ == "__main__":
    sys.exit(main())
