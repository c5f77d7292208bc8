"""How much memory an ensemble needs to learn, and whether there is enough of it.

The constants were fitted to the growth of a process's peak memory (VmHWM) over two to six updates with Adam
in float32, in processes that keep freed memory, for 2 to 40 networks of 16 to 512
units and 8 or 32 trials. The estimates are 0.93 to 1.37 times what was measured.
"""

from __future__ import annotations

from typing import Final

import torch

from agents.supervised.machine_memory import GB, free_memory
from agents.supervised.networks import CELLS, INPUTS, OUTPUTS
from savings_gym.task.settings import TRIAL_STEPS

BYTES_PER_PARAMETER: Final = 28  # weight, gradient twice, two moments of Adam, and copies while drawn


def learning_memory(cell: str, networks: int, units: int, trials: int, *, fused: bool) -> int:
    """Estimate the memory of an ensemble that learns by backpropagation through time.

    Args:
        cell: Name of the recurrent cell.
        networks: Networks of the ensemble.
        units: Recurrent units of each network.
        trials: Trials of a batch.
        fused: Whether the fused rollout is used, which keeps less than torch's autograd.

    Returns:
        Bytes for parameters, optimiser, activity and the work space of the rollout.
    """
    gates = CELLS[cell].gates
    parameters = units + gates * units * (INPUTS + units + 2) + OUTPUTS * (units + 1)
    if fused:
        per_step = 1_000 + 66 * units
    else:
        per_step = 9_200 + (40 + 12 * gates) * units
    return networks * (BYTES_PER_PARAMETER * parameters + trials * TRIAL_STEPS * per_step)


def check_learning_memory(
    cell: str, networks: int, units: int, trials: int, *, rollout: str = "auto", device: str = "cpu"
) -> None:
    """Refuse an ensemble that needs more memory than is available; see `learning_memory`.

    Raises:
        ValueError: It names the estimate and what is available.
    """
    fused = cell == "gru" and device == "cpu" and rollout != "plain"
    needed = learning_memory(cell, networks, units, trials, fused=fused)
    available = available_memory(device)
    if available is not None and needed > available:
        raise ValueError(
            f"{networks} networks of {units} units that learn from {trials} trials at a time need about "
            f"{needed / GB:.1f} GB of memory; {available / GB:,.1f} GB are available on {device}, so choose "
            "fewer"
        )


def available_memory(device: str = "cpu") -> int | None:
    """Return the bytes of memory that are free on a device, or None if the system does not say."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return free_memory()
