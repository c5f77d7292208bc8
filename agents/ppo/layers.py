"""Recurrent layers of torch over sequences of any lengths, by numba kernels: LSTM, GRU and tanh RNN.

The modules are torch's own (``nn.LSTM``, ``nn.GRU``, ``nn.RNN``): their parameters, names and initial values.
``run_layers`` computes what calling them would, equal to rounding, and keeps states in the (hidden, cell)
convention of stable-baselines3 for all of them. The kernels need a CPU and numba; elsewhere torch computes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from savings_gym.arrays import Indices

FUSED = find_spec("numba") is not None
if FUSED:
    from agents.ppo.kernel_layer import RecurrentLayer, supports

Tensor = torch.Tensor
States = tuple[Tensor, Tensor]


class SequenceStates(NamedTuple):
    """States before n sequences of several lengths.

    Attributes:
        hidden: (layers, n, units).
        cell: Likewise.
        lengths: (n,) steps of each sequence.
    """

    hidden: Tensor
    cell: Tensor
    lengths: Indices


CELLS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def make_layers(cell: str, inputs: int, units: int, layers: int, **options: Any) -> nn.RNNBase:
    """Recurrent layers.

    Args:
        cell: "lstm", "gru" or "rnn".
        inputs: Width of the input.
        units: Units a layer.
        layers: Number of layers.
        options: Further arguments of the torch module.

    Raises:
        ValueError: For an unknown cell.
    """
    check_cell(cell)
    return CELLS[cell](inputs, units, num_layers=layers, **options)


def check_cell(cell: str) -> None:
    """Raises ValueError for an unknown cell."""
    if cell not in CELLS:
        raise ValueError(f"unknown cell {cell!r}; choose from: {', '.join(CELLS)}")


def run_layers(
    layers: nn.RNNBase, inputs: Tensor, states: States, lengths: Indices, fused: bool = True
) -> tuple[Tensor, States]:
    """All steps of n sequences.

    Args:
        layers: The module.
        inputs: (S, inputs), sequence after sequence.
        states: Hidden and cell states before the first steps, (layers, n, units) each. Only an LSTM has
            cells; for the others the second is handed through as it is.
        lengths: (n,) steps of each sequence, S together.
        fused: False lets torch compute.

    Returns:
        Outputs (S, units) in the order of the inputs, and the states after the last steps.
    """
    longest, n, width = int(lengths.max()), len(lengths), inputs.shape[1]
    equal = len(inputs) == n * longest
    # torch's own LSTM is as fast where nothing need be padded, and so is all of torch in single steps
    slow = not equal or (longest > 1 and not isinstance(layers, nn.LSTM))
    if fused and FUSED and slow and supports(layers, inputs):
        return _run_kernels(layers, inputs, states, lengths)
    if equal:
        outputs, states = _run_torch(layers, inputs.view(n, longest, width).swapaxes(0, 1), states)
        return outputs.transpose(0, 1).reshape(n * longest, -1), states
    together = nn.utils.rnn.pack_sequence(list(inputs.split(lengths.tolist())), enforce_sorted=False)
    packed, states = _run_torch(layers, together, states)
    outputs, _ = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    real = np.arange(longest) < lengths[:, None]
    return outputs[torch.from_numpy(real).to(outputs.device)], states


def _run_torch(layers: nn.RNNBase, inputs: Any, states: States) -> tuple[Any, States]:
    if isinstance(layers, nn.LSTM):
        return layers(inputs, states)
    outputs, hidden = layers(inputs, states[0])
    return outputs, (hidden, states[1])


def _run_kernels(
    layers: nn.RNNBase, inputs: Tensor, states: States, lengths: Indices
) -> tuple[Tensor, States]:
    last: list[States] = []
    for layer in range(layers.num_layers):
        weights = [getattr(layers, f"{kind}_l{layer}", None) for kind in PARAMETERS]
        inputs, hidden, cell = RecurrentLayer.apply(
            layers.mode,
            torch.is_grad_enabled(),
            lengths,
            inputs,
            states[0][layer],
            states[1][layer],
            *weights,
        )
        last.append((hidden, cell))
    hidden, cell = (torch.stack(part) for part in zip(*last, strict=True))
    return inputs, (hidden, cell if layers.mode == "LSTM" else states[1])


@lru_cache(maxsize=256)
def same_lengths(n: int, steps: int) -> Indices:
    """(n,) lengths of n sequences of as many steps each."""
    return np.full(n, steps)
