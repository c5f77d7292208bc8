"""``python -m experiments.controls``: see `experiments.controls.command`."""

import sys

from experiments.controls.command import main

if __name__ == "__main__":
    sys.exit(main())
