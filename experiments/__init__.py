"""Runs, figures and tables, one file an experiment; run as modules from a checkout.

Threads of torch sleep while they wait for work, unless the environment says otherwise: they are needed for
little, and would keep the cores busy that kernels of the networks compute on, or another process. It has to
be said before torch is loaded.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
