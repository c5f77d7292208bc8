"""``python -m experiments.protocols``: see `experiments.protocols.command`."""

import sys

from experiments.protocols.command import main

if __name__ == "__main__":
    sys.exit(main())
