"""Pre-training: ``python -m experiments.pretrain``, see `experiments.savings.pretrain`."""

import sys

from experiments.savings.pretrain import main

if __name__ == "__main__":
    sys.exit(main())
