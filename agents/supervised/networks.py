"""Recurrent policies. An ensemble of n networks is one module: every parameter has a leading axis of n.

One recurrent layer and a linear read-out with a sigmoid, as in the study (eLife 107423). Initialisation:
input weights Xavier-uniform, recurrent weights orthogonal, biases 0, read-out Xavier-uniform with bias -5,
initial state 0.
Every gate's matrix is drawn by itself (drawing torch's stack of all gates at once gives smaller weights).

A context cue: an input that is constant within a phase, through weights that never learn.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import ClassVar, Final

import numpy as np
import torch
from torch import nn

State = tuple[torch.Tensor, ...]

INPUTS: Final = 17
OUTPUTS: Final = 6
READOUT_BIAS: Final = -5.0  # sigmoid(-5) = 0.0067: nearly silent muscles at first


PARAMETERS: Final = (
    "initial", "input_weight", "input_bias", "recurrent_weight", "recurrent_bias",
    "readout_weight", "readout_bias",
)  # fmt: skip


def check_parameters(names: Iterable[str]) -> None:
    """Raises a ValueError, listing the parameters of an ensemble, if a name is none of them."""
    if unknown := set(names) - set(PARAMETERS):
        raise ValueError(f"unknown parameters {sorted(unknown)}; choose from: {', '.join(PARAMETERS)}")


def check_device(device: torch.device | str) -> None:
    """Raises a ValueError if torch has no such device here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise ValueError(f"unknown device {str(device)!r}; here: {', '.join(there)}") from error


class Ensemble(nn.Module):
    """n recurrent networks of one size; subclasses say what a cell does.

    Attributes:
        initial: (n, units) learnable initial hidden state.
        input_weight: (n, gates * units, inputs); input_bias: (n, gates * units).
        recurrent_weight: (n, gates * units, units); recurrent_bias: (n, gates * units).
        readout_weight: (n, outputs, units); readout_bias: (n, outputs).
    """

    cell: ClassVar[str]
    gates: ClassVar[int]
    initial: nn.Parameter
    input_weight: nn.Parameter
    input_bias: nn.Parameter
    recurrent_weight: nn.Parameter
    recurrent_bias: nn.Parameter
    readout_weight: nn.Parameter
    readout_bias: nn.Parameter

    def __init__(
        self,
        networks: int,
        units: int,
        *,
        seed: int,
        inputs: int = INPUTS,
        outputs: int = OUTPUTS,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Draws the weights of network i from a generator of its own, seeded by (seed, i)."""
        super().__init__()
        for name, value in {"networks": networks, "units": units}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        rows = self.gates * units
        self.networks, self.units = networks, units
        shapes = {
            "initial": (units,),
            "input_weight": (rows, inputs),
            "input_bias": (rows,),
            "recurrent_weight": (rows, units),
            "recurrent_bias": (rows,),
            "readout_weight": (outputs, units),
            "readout_bias": (outputs,),
        }
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.zeros((networks, *shape), dtype=torch.float64)))
        with torch.no_grad():
            for i in range(networks):
                self._initialise(i, torch.Generator().manual_seed(derived_seed(seed, i)))
        self.to(device=device, dtype=dtype)

    def _initialise(self, i: int, generator: torch.Generator) -> None:
        for gate in range(self.gates):
            rows = slice(gate * self.units, (gate + 1) * self.units)
            nn.init.xavier_uniform_(self.input_weight[i, rows], generator=generator)
            nn.init.orthogonal_(self.recurrent_weight[i, rows], generator=generator)
        nn.init.xavier_uniform_(self.readout_weight[i], generator=generator)
        self.readout_bias[i] = READOUT_BIAS

    def initial_state(self, trials: int) -> State:
        """State before the first input, (n, trials, units) each."""
        return (self.initial[:, None].expand(-1, trials, -1),)

    def step(self, inputs: torch.Tensor, state: State) -> State:
        """Inputs (n, trials, inputs) and the old state to the new one, whose first part is the activity."""
        raise NotImplementedError

    def _drive(self, inputs: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Input and recurrent drive of all gates, (n, trials, gates * units) each."""
        return (
            torch.baddbmm(self.input_bias[:, None], inputs, self.input_weight.mT),
            torch.baddbmm(self.recurrent_bias[:, None], hidden, self.recurrent_weight.mT),
        )

    def readout(self, hidden: torch.Tensor) -> torch.Tensor:
        """Excitations (n, trials, outputs) in 0..1 from activity (n, trials, units)."""
        return torch.sigmoid(torch.baddbmm(self.readout_bias[:, None], hidden, self.readout_weight.mT))

    def select(self, *networks: int) -> Ensemble:
        """A copy with these networks only, in this order.

        Raises:
            ValueError: for a network that is not there, or none at all.
        """
        outside = [i for i in networks if not 0 <= i < self.networks]
        if outside or not networks:
            raise ValueError(f"no network(s) {outside}; choose one or more of 0 to {self.networks - 1}")
        chosen = copy.deepcopy(self)
        chosen.networks = len(networks)
        for name, parameter in self.named_parameters():
            part = parameter.detach()[list(networks)].clone()
            setattr(chosen, name, nn.Parameter(part, requires_grad=parameter.requires_grad))
        return chosen

    def freeze(self, *names: str) -> None:
        """Stops learning of the named parameters; all others learn.

        Raises:
            ValueError: for an unknown parameter, listing the parameters.
        """
        check_parameters(names)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name not in names)


class GRUEnsemble(Ensemble):
    """Gated recurrent units (Cho et al. 2014, with torch's gate order r, z, n)."""

    cell, gates = "gru", 3

    def step(self, inputs: torch.Tensor, state: State) -> State:
        """One step: h' = (1 - z) n + z h."""
        (hidden,) = state
        drive, recurrent = self._drive(inputs, hidden)
        size = 2 * self.units
        reset, update = torch.sigmoid(drive[..., :size] + recurrent[..., :size]).chunk(2, -1)
        new = torch.tanh(drive[..., size:] + reset * recurrent[..., size:])
        return (new + update * (hidden - new),)


class LSTMEnsemble(Ensemble):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, gate order i, f, g, o); the cell starts at 0."""

    cell, gates = "lstm", 4

    def initial_state(self, trials: int) -> State:
        """Hidden state and cell."""
        (hidden,) = super().initial_state(trials)
        return hidden, torch.zeros_like(hidden)

    def step(self, inputs: torch.Tensor, state: State) -> State:
        """One step: c' = f c + i g, h' = o tanh(c')."""
        hidden, memory = state
        drive, recurrent = self._drive(inputs, hidden)
        let_in, keep, new, let_out = (drive + recurrent).chunk(4, -1)
        memory = torch.sigmoid(keep) * memory + torch.sigmoid(let_in) * torch.tanh(new)
        return torch.sigmoid(let_out) * torch.tanh(memory), memory


class RNNEnsemble(Ensemble):
    """Leaky tanh units: h' = (1 - leak) h + leak tanh(drive)."""

    cell, gates = "rnn", 1
    leak = 0.2  # 10 ms steps with a time constant of 50 ms

    def step(self, inputs: torch.Tensor, state: State) -> State:
        """One Euler step of a rate network."""
        (hidden,) = state
        drive, recurrent = self._drive(inputs, hidden)
        return (hidden + self.leak * (torch.tanh(drive + recurrent) - hidden),)


CELLS: Final[dict[str, type[Ensemble]]] = {cls.cell: cls for cls in (GRUEnsemble, LSTMEnsemble, RNNEnsemble)}


def make_ensemble(
    cell: str,
    networks: int,
    units: int,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Ensemble:
    """An ensemble by the name of its cell: ``"gru"``, ``"lstm"`` or ``"rnn"``."""
    if cell not in CELLS:
        raise ValueError(f"unknown cell {cell!r}; choose from: {', '.join(CELLS)}")
    return CELLS[cell](networks, units, seed=seed, device=device, dtype=dtype)


def derived_seed(*keys: int) -> int:
    """One 63-bit seed from several."""
    return int(np.random.SeedSequence(keys).generate_state(1, "uint64")[0] >> 1)


STREAM: Final = 100  # second key of the seed


def draw_cue(ensemble: Ensemble, seed: int) -> torch.Tensor:
    """Input weights of a cue, (n, gates * units).

    Each gate's are drawn as one more column of its input matrix would be, Xavier-uniform with inputs + 1
    columns; those of network i depend on the seed and i alone. The weights were never driven in pre-training
    and are frozen. An input that keeps one value c for whole trials, through frozen weights w, adds c w to
    the drive in every control step: exactly what a change of the input bias by c w does. So a cue is switched
    on by adding this vector to ``input_bias``, and off by taking it away again; any rollout serves.
    """
    inputs = ensemble.input_weight.shape[2]
    bound = math.sqrt(6.0 / (inputs + 1 + ensemble.units))
    drawn = torch.empty(ensemble.input_bias.shape, dtype=torch.float64)
    for i in range(ensemble.networks):
        generator = torch.Generator().manual_seed(derived_seed(seed, STREAM, i, 0))
        drawn[i].uniform_(-bound, bound, generator=generator)
    return drawn.to(ensemble.input_bias)
