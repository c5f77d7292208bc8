"""Report of a finished run: ``python -m experiments.report``, see `experiments.savings.report`."""

import sys

from experiments.savings.report import main

if __name__ == "__main__":
    sys.exit(main())
