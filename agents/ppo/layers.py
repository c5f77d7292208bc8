"""Recurrent layers of torch over sequences of any lengths: LSTM, GRU and tanh RNN.

The modules are torch's own (``nn.LSTM``, ``nn.GRU``, ``nn.RNN``), with their parameters, names and initial
values. `run_layers` computes what calling them would, to rounding, and keeps the states of all of them in the
(hidden, cell) convention of stable-baselines3. On a CPU with numba, kernels compute what torch is slow at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from savings_gym.arrays import Indices, as_choice

HAS_KERNELS = find_spec("numba") is not None
if HAS_KERNELS:
    from agents.ppo.kernel_layer import run_kernels, supports

Tensor = torch.Tensor
States = tuple[Tensor, Tensor]
KeptWeights = dict[tuple[int, ...], Any]  # `PackedWeights` by network, layer and versions of its weights


class SequenceStates(NamedTuple):
    """States before n sequences of several lengths.

    Attributes:
        hidden: (layers, n, units).
        cell: (layers, n, units).
        lengths: (n,) steps of each sequence.
    """

    hidden: Tensor
    cell: Tensor
    lengths: Indices


LAYERS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def make_layers(cell: str, inputs: int, units: int, layers: int, **options: Any) -> nn.RNNBase:
    """Return recurrent layers.

    Args:
        cell: "lstm", "gru" or "rnn".
        inputs: Number of inputs.
        units: Units per layer.
        layers: Number of layers.
        options: Further arguments of the torch module.

    Raises:
        ValueError: If the cell is unknown.
    """
    check_cell(cell)
    return LAYERS[cell](inputs, units, num_layers=layers, **options)


def check_cell(cell: str) -> None:
    """Raise a ValueError if a cell is unknown."""
    as_choice("cell", cell, LAYERS)


def run_layers(
    layers: nn.RNNBase, inputs: Tensor, states: States, lengths: Indices, fused: bool = True
) -> tuple[Tensor, States]:
    """Run layers over all steps of n sequences.

    Args:
        layers: The module.
        inputs: (S, inputs), one sequence after the other.
        states: Hidden and cell states before the first steps, (layers, n, units) each. Only an LSTM has
            cell states; the other modules return them unchanged.
        lengths: (n,) steps of each sequence, S in total.
        fused: Whether kernels may be used; False leaves everything to torch.

    Returns:
        Outputs (S, units) in the order of the inputs, and the states after the last steps.
    """
    return run_networks([layers], [inputs], [states], lengths, fused)[0]


def run_networks(
    networks: Sequence[nn.RNNBase],
    inputs: Sequence[Tensor],
    states: Sequence[States],
    lengths: Indices,
    fused: bool = True,
    kept: KeptWeights | None = None,
) -> list[tuple[Tensor, States]]:
    """Run several networks of one kind and size over the same sequences, see `run_layers`.

    Args:
        networks: The modules.
        inputs: Of each.
        states: Of each.
        lengths: (n,) steps of each sequence.
        fused: Whether kernels may be used.
        kept: Where kernels keep their form of the weights for the next call; without it they make it anew,
            and single steps are left to torch.
    """
    several = len(inputs[0]) > len(lengths) or kept is not None
    if fused and several and HAS_KERNELS and all(map(supports, networks, inputs)):
        return run_kernels(networks, inputs, states, lengths, kept)
    return [_run_alone(*given, lengths) for given in zip(networks, inputs, states, strict=True)]


def _run_alone(layers: nn.RNNBase, inputs: Tensor, states: States, lengths: Indices) -> tuple[Tensor, States]:
    longest, n, width = int(lengths.max()), len(lengths), inputs.shape[1]
    if len(inputs) == n * longest:
        outputs, states = _run_torch(layers, inputs.view(n, longest, width).swapaxes(0, 1), states)
        return outputs.transpose(0, 1).reshape(n * longest, -1), states
    packed = nn.utils.rnn.pack_sequence(list(inputs.split(lengths.tolist())), enforce_sorted=False)
    outputs, states = _run_torch(layers, packed, states)
    padded, _ = nn.utils.rnn.pad_packed_sequence(outputs, batch_first=True)
    real = np.arange(longest) < lengths[:, None]
    return padded[torch.from_numpy(real).to(padded.device)], states


def _run_torch(layers: nn.RNNBase, inputs: Any, states: States) -> tuple[Any, States]:
    if isinstance(layers, nn.LSTM):
        return layers(inputs, states)
    outputs, hidden = layers(inputs, states[0])
    return outputs, (hidden, states[1])


@lru_cache(maxsize=256)
def same_lengths(n: int, steps: int) -> Indices:
    """Return the (n,) lengths of n sequences of equally many steps."""
    return np.full(n, steps)
