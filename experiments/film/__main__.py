"""``python -m experiments.film``, see `experiments.film.command`."""

import sys

from experiments.film.command import main

if __name__ == "__main__":
    sys.exit(main())
