"""Phases of a brain-computer interface, counted in trials: a decoder takes the place of the force field.

Phases keep the names of the arm's experiment, so that every measure of savings takes a table of them: NF1 and
NF2 under the intuitive decoder, FF1 and FF2 under the perturbed one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from savings_gym.bci.decoder import Decoder, as_decoder
from savings_gym.perturbations.fields import Field, NullField
from savings_gym.task.schedule import PHASES, Phase, Schedule

NULL: Final = NullField()
ABSENT: Final = {"field": NULL.to_dict(), "sizes": None}  # what a phase of an arm has, and this one has not


@dataclass(frozen=True, init=False)
class DecoderPhase(Phase):
    """A number of trials under one decoder: ``DecoderPhase("FF1", decoder, 80)``.

    Attributes:
        name: Name of the phase, such as "FF1".
        decoder: The decoder, or its dict.
        trials: Number of trials, at least 1.
        catch_fraction: Probability of a trial without a go signal; None leaves it to the environment.
        targets: Indices of the centre-out targets that come in this phase, each once in a block; None is all.
        field: Always none: a cursor has no force on it.
        sizes: Always None: a decoder has no size.
    """

    field: Field = dataclasses.field(default=NULL, init=False, repr=False)
    sizes: tuple[float, ...] | None = dataclasses.field(default=None, init=False, repr=False)
    decoder: Decoder = dataclasses.field(kw_only=True)

    def __init__(
        self,
        name: str,
        decoder: Decoder | Mapping[str, Any],
        trials: int,
        catch_fraction: float | None = None,
        targets: tuple[int, ...] | None = None,
    ) -> None:
        values = {
            "name": name, "trials": trials, "catch_fraction": catch_fraction, "targets": targets,
            "decoder": as_decoder(decoder),
        }  # fmt: skip
        for attribute, value in values.items():
            object.__setattr__(self, attribute, value)
        self.__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """Return the phase as JSON-able values, without targets if it has none."""
        return {name: value for name, value in super().to_dict().items() if name not in ABSENT}


def as_decoder_schedule(value: Schedule | Mapping[str, Any] | None) -> Schedule | None:
    """Return a schedule of `DecoderPhase`, given as itself or as its dict; None stays None.

    Raises:
        ValueError: If it is none of these, a phase has no decoder, or decoders differ in their units.
    """
    if value is None:
        return None
    schedule = value
    if isinstance(value, Mapping) and set(value) == {"phases"} and isinstance(value["phases"], list | tuple):
        schedule = Schedule(tuple(_as_phase(phase) for phase in value["phases"]))
    if not isinstance(schedule, Schedule):
        raise ValueError(
            f'a schedule must be a Schedule, its dict {{"phases": [...]}}, or None; got {value!r}'
        )
    without = [phase.name for phase in schedule.phases if not isinstance(phase, DecoderPhase)]
    if without:
        raise ValueError(
            f"the phases of a cursor must be DecoderPhases, got phases without a decoder: {without}"
        )
    units = {phase.name: decoder_of(phase).units for phase in schedule.phases}
    if len(set(units.values())) != 1:
        raise ValueError(f"the decoders of a schedule must have one number of units, got {units}")
    return schedule


def decoder_of(phase: Phase) -> Decoder:
    """Return the decoder of a phase."""
    assert isinstance(phase, DecoderPhase)
    return phase.decoder


def perturbed_phases(
    intuitive: Decoder, perturbed: Decoder, nf1: int = 800, ff1: int = 3200, nf2: int = 3200, ff2: int = 3200
) -> Schedule:
    """Return the schedule intuitive, perturbed, intuitive (washout), perturbed.

    The default lengths are those of `python -m experiments.bci --preset quick`, 8 trials per update.

    Args:
        intuitive: Decoder of NF1 and NF2.
        perturbed: Decoder of FF1 and FF2.
        nf1: Trials of the baseline.
        ff1: Trials of the first perturbation.
        nf2: Trials of the washout.
        ff2: Trials of the second perturbation.
    """
    decoders, trials = (intuitive, perturbed, intuitive, perturbed), (nf1, ff1, nf2, ff2)
    return Schedule(tuple(map(DecoderPhase, PHASES, decoders, trials)))


def _as_phase(value: Any) -> DecoderPhase:
    if isinstance(value, DecoderPhase):
        return value
    names = {field.name for field in dataclasses.fields(DecoderPhase)}
    needed = {"name", "decoder", "trials"}
    if not isinstance(value, Mapping) or not needed <= set(value) <= names:
        raise ValueError(
            f"a phase of a cursor must be a DecoderPhase or a dict of {sorted(names - set(ABSENT))}, of "
            f"which {sorted(needed)} are needed; got {value!r}"
        )
    for name, absent in ABSENT.items():
        if value.get(name) not in (None, absent):
            raise ValueError(f"a phase of a cursor has no {name}, got {value[name]!r}")
    return DecoderPhase(**{name: entry for name, entry in value.items() if name not in ABSENT})
