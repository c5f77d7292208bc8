"""Recurrent policies: an ensemble of n networks is one module, whose parameters have a leading axis of n.

A network has one recurrent layer and a linear read-out with a sigmoid. Initial weights are those of the study
(eLife 107423): input weights Xavier-uniform and recurrent weights orthogonal, each drawn for the stack of all
gates at once, (gates * units, inputs) and (gates * units, units); biases 0, read-out Xavier-uniform with bias
-5, initial state 0. So the columns of the recurrent stack are orthonormal, and the weights of a gate are
smaller than if it were drawn on its own (`INITIAL_WEIGHTS`): for a GRU of 128 units, the singular values of a
gate's recurrent weights have a mean of 0.51 instead of 1.

A cell of your own is a subclass of `Ensemble` under `register_cell`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from typing import ClassVar, Final, TypeVar

import numpy as np
import torch
from torch import nn

from savings_gym.arm.anatomy import MUSCLES
from savings_gym.arrays import as_choice, as_whole_number
from savings_gym.task.observation import MUSCLE_OBSERVATION

State = tuple[torch.Tensor, ...]
Cell = TypeVar("Cell", bound="type[Ensemble]")

INPUTS: Final = MUSCLE_OBSERVATION.size
OUTPUTS: Final = len(MUSCLES)
READOUT_BIAS: Final = -5.0  # sigmoid(-5) = 0.0067: muscles are nearly silent at first
INITIAL_WEIGHTS: Final = ("stack", "gates")  # drawn for the stack of all gates, or for each gate on its own
LEAK: Final = 0.2  # of a rate unit: 10 ms steps with a time constant of 50 ms
CUE_STREAM: Final = 100  # second key of the seed of a context cue's weights

PARAMETERS: Final = (
    "initial", "input_weight", "input_bias", "recurrent_weight", "recurrent_bias",
    "readout_weight", "readout_bias",
)  # fmt: skip


def check_parameters(names: Iterable[str]) -> None:
    """Raise a ValueError if a name is not that of a parameter of an ensemble."""
    for name in names:
        as_choice("parameter", name, PARAMETERS)


def available_devices() -> list[str]:
    """Return the names of the devices on which networks can run here."""
    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return [
        "cpu",
        *(["cuda"] if cuda else []),
        *cuda,
        *(["mps"] if torch.backends.mps.is_available() else []),
    ]


def check_initial_weights(name: str) -> None:
    """Raise a ValueError if initial weights are not drawn in a way of this name."""
    as_choice("initial_weights", name, INITIAL_WEIGHTS)


def check_device(device: torch.device | str) -> None:
    """Raise a ValueError if networks cannot run on a device here."""
    as_choice("device", str(device), available_devices())


class Ensemble(nn.Module):
    """n recurrent networks of one size; a subclass defines the cell.

    A subclass has a name, ``cell``, a number of ``gates``, whose input and recurrent drives `_drive`
    computes, and a ``step``. Further parts of the state, after the activity, come from ``initial_state``.

    Attributes:
        cell: Name of the cell, under which ensembles are saved and loaded.
        gates: How many drives each unit has.
        networks: n.
        units: Units of each network.
        initial: (n, units) learnable initial activity.
        input_weight: (n, gates * units, inputs).
        input_bias: (n, gates * units).
        recurrent_weight: (n, gates * units, units).
        recurrent_bias: (n, gates * units).
        readout_weight: (n, outputs, units).
        readout_bias: (n, outputs).
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
        initial_weights: str = "stack",
    ) -> None:
        """Draw the weights of network i from a generator of its own, seeded by (seed, i)."""
        super().__init__()
        check_initial_weights(initial_weights)
        self.networks = as_whole_number("networks", networks, 1)
        self.units = as_whole_number("units", units, 1)
        drives = self.gates * units
        shapes = {
            "initial": (units,),
            "input_weight": (drives, inputs),
            "input_bias": (drives,),
            "recurrent_weight": (drives, units),
            "recurrent_bias": (drives,),
            "readout_weight": (outputs, units),
            "readout_bias": (outputs,),
        }
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.zeros((networks, *shape), dtype=torch.float64)))
        with torch.no_grad():
            for i in range(networks):
                generator = torch.Generator().manual_seed(derived_seed(seed, i))
                self._initialise(i, generator, together=initial_weights == "stack")
        self.to(device=device, dtype=dtype)

    def _initialise(self, i: int, generator: torch.Generator, together: bool) -> None:
        parts = 1 if together else self.gates
        for drive in self.input_weight[i].chunk(parts):
            nn.init.xavier_uniform_(drive, generator=generator)
        for drive in self.recurrent_weight[i].chunk(parts):
            nn.init.orthogonal_(drive, generator=generator)
        nn.init.xavier_uniform_(self.readout_weight[i], generator=generator)
        self.readout_bias[i] = READOUT_BIAS

    def initial_state(self, trials: int) -> State:
        """Return the state before the first input: tensors (n, trials, units), the activity first."""
        return (self.initial[:, None].expand(-1, trials, -1),)

    def step(self, inputs: torch.Tensor, state: State) -> State:
        """Return the state after inputs (n, trials, inputs) in an old state."""
        raise NotImplementedError

    def _drive(self, inputs: torch.Tensor, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Input and recurrent drive of all gates, (n, trials, gates * units) each."""
        return (
            torch.baddbmm(self.input_bias[:, None], inputs, self.input_weight.mT),
            torch.baddbmm(self.recurrent_bias[:, None], hidden, self.recurrent_weight.mT),
        )

    def readout(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return excitations (n, trials, outputs) from 0 to 1, given activity (n, trials, units)."""
        return torch.sigmoid(torch.baddbmm(self.readout_bias[:, None], hidden, self.readout_weight.mT))

    def select(self, *networks: int) -> Ensemble:
        """Return a copy with only these networks, in this order.

        Raises:
            ValueError: If there is no such network, or none is given.
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
        """Keep the named parameters fixed; all others learn.

        Raises:
            ValueError: If a name is unknown.
        """
        check_parameters(names)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name not in names)


CELLS: Final[dict[str, type[Ensemble]]] = {}  # by name; filled by register_cell


def register_cell(cls: Cell) -> Cell:
    """Make a cell known by its name, so that its ensembles load and command lines take it; a class decorator.

        @register_cell
        class PlainEnsemble(Ensemble):
            cell, gates = "plain", 1

            def step(self, inputs, state):
                drive, recurrent = self._drive(inputs, state[0])
                return (torch.relu(drive + recurrent),)

    A program that loads such networks has to import the module that defines the cell first.

    Raises:
        TypeError: If the class is not an `Ensemble` with a name and a number of gates.
        ValueError: If another class has the name already.
    """
    if not (isinstance(cls, type) and issubclass(cls, Ensemble)):
        raise TypeError(f"a cell must be a subclass of Ensemble, got {cls!r}")
    name, gates = getattr(cls, "cell", None), getattr(cls, "gates", None)
    if not isinstance(name, str) or not name or not isinstance(gates, int) or gates < 1:
        raise TypeError(
            f"{cls.__name__} must have a cell, its name, and gates, at least 1, got {name!r}, {gates!r}"
        )
    known = CELLS.get(name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"cell {name!r} is registered already, as {known.__module__}.{known.__qualname__}")
    CELLS[name] = cls
    return cls


def check_cell(name: str) -> None:
    """Raise a ValueError if no cell of this name is registered."""
    if name not in CELLS:
        raise ValueError(
            f"unknown cell {name!r}; choose from: {', '.join(CELLS)} (a cell of your own is made known by "
            "agents.supervised.networks.register_cell)"
        )


@register_cell
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


@register_cell
class LSTMEnsemble(Ensemble):
    """Long short-term memory (Hochreiter & Schmidhuber 1997, gate order i, f, g, o); the cell starts at 0."""

    cell, gates = "lstm", 4

    def initial_state(self, trials: int) -> State:
        """Return activity and cell before the first input."""
        (hidden,) = super().initial_state(trials)
        return hidden, torch.zeros_like(hidden)

    def step(self, inputs: torch.Tensor, state: State) -> State:
        """One step: c' = f c + i g, h' = o tanh(c')."""
        hidden, cell = state
        drive, recurrent = self._drive(inputs, hidden)
        let_in, keep, new, let_out = (drive + recurrent).chunk(4, -1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(let_in) * torch.tanh(new)
        return torch.sigmoid(let_out) * torch.tanh(cell), cell


@register_cell
class RNNEnsemble(Ensemble):
    """Leaky tanh units: h' = (1 - leak) h + leak tanh(drive)."""

    cell, gates = "rnn", 1
    leak = LEAK

    def step(self, inputs: torch.Tensor, state: State) -> State:
        """One Euler step of a rate network."""
        (hidden,) = state
        drive, recurrent = self._drive(inputs, hidden)
        return (hidden + self.leak * (torch.tanh(drive + recurrent) - hidden),)


def make_ensemble(
    cell: str,
    networks: int,
    units: int,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    initial_weights: str = "stack",
) -> Ensemble:
    """Return an ensemble by the name of its cell: ``"gru"``, ``"lstm"``, ``"rnn"`` or a registered one.

    Raises:
        ValueError: If the cell, or the way in which initial weights are drawn, is unknown.
    """
    check_cell(cell)
    return CELLS[cell](
        networks, units, seed=seed, device=device, dtype=dtype, initial_weights=initial_weights
    )


def derived_seed(*keys: int) -> int:
    """Return one 63-bit seed derived from several."""
    return int(np.random.SeedSequence(keys).generate_state(1, "uint64")[0] >> 1)


def draw_cue(ensemble: Ensemble, seed: int) -> torch.Tensor:
    """Draw the input weights of a context cue, (n, gates * units): an input that is constant within a phase.

    They are drawn like one more column of the input weights, Xavier-uniform with inputs + 1 columns; those of
    network i depend on the seed and i alone. They were not trained and stay fixed.

    A constant input c through fixed weights w adds c w to the drive in every control step, which is what
    adding c w to the input bias does. So a cue is switched on by adding this tensor to ``input_bias`` and off
    by subtracting it again, whatever the rollout.
    """
    _, drives, inputs = ensemble.input_weight.shape
    bound = math.sqrt(6.0 / (drives + inputs + 1))
    drawn = torch.empty(ensemble.input_bias.shape, dtype=torch.float64)
    for i in range(ensemble.networks):
        generator = torch.Generator().manual_seed(derived_seed(seed, CUE_STREAM, i, 0))
        drawn[i].uniform_(-bound, bound, generator=generator)
    return drawn.to(ensemble.input_bias)
