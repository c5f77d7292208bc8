"""Settings of the cursor task, checked, and the options of its `reset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from gymnasium import spaces

from savings_gym.arrays import as_number, as_whole_number
from savings_gym.bci.decoder import MOST_UNITS, Decoder, as_decoder, population_vector
from savings_gym.bci.schedule import as_decoder_schedule, decoder_of
from savings_gym.task.options import TrialOptions, trial_options
from savings_gym.task.schedule import Schedule
from savings_gym.task.settings import (
    CATCH_FRACTION,
    CONTROL_STEP,
    GO_TIMES,
    N_TARGETS,
    Delays,
    DelaysLike,
    Noise,
    NoiseLike,
    RewardWeights,
    RewardWeightsLike,
    as_delays,
    as_noise,
    as_reward_weights,
    go_steps,
    target_directions,
    targets_argument,
)

UNITS: Final = 90  # about as many as Sadtler et al. (2014) recorded
POSITION, TARGET, CUE = slice(0, 2), slice(2, 4), 4  # channels of the observation
CHANNELS: Final = 5
OPTIONS = ("target", "go_time", "catch", "catch_fraction", "decoder")


@dataclass(frozen=True)
class CursorSettings:
    """Everything that defines the task, as checked by `cursor_settings`.

    Attributes:
        decoder: Decoder of every trial if there is no schedule; that of the first phase if there was one.
        schedule: Decoder by trial number, or None.
        directions: Of the centre-out targets, rad.
        go_steps: First and last control step at which go may come.
        catch_fraction: Probability of a trial without go.
        noise: Of activity (its `excitation`) and of the cursor as it is seen (`vision`).
        delays: Of the cursor as it is seen and of the cue.
        reward_weights: Of the reward terms.
    """

    decoder: Decoder
    schedule: Schedule | None
    directions: tuple[float, ...]
    go_steps: tuple[int, int]
    catch_fraction: float
    noise: Noise
    delays: Delays
    reward_weights: RewardWeights

    @property
    def units(self) -> int:
        """Number of units."""
        return self.decoder.units

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that give an environment these settings."""
        same = ("catch_fraction", "noise", "delays", "reward_weights", "schedule")
        return {name: getattr(self, name) for name in same} | {
            "decoder": self.decoder if self.schedule is None else None,
            "targets": targets_argument(self.directions),
            "go_time": (self.go_steps[0] * CONTROL_STEP, self.go_steps[1] * CONTROL_STEP),
        }


def cursor_settings(
    *,
    units: int | None = None,
    decoder: Decoder | Mapping[str, Any] | None = None,
    schedule: Schedule | Mapping[str, Any] | None = None,
    targets: int | Sequence[float] = N_TARGETS,
    go_time: float | Sequence[float] = GO_TIMES,
    catch_fraction: float = CATCH_FRACTION,
    noise: NoiseLike = True,
    delays: DelaysLike = Delays(),  # noqa: B008, frozen
    reward_weights: RewardWeightsLike = RewardWeights(),  # noqa: B008, frozen
) -> CursorSettings:
    """Return the settings that the arguments of an environment describe; see `envs.bci.BCIReachEnv`.

    Raises:
        ValueError: If a value is bad, a decoder comes with a schedule, or has another number of units.
    """
    followed = as_decoder_schedule(schedule)
    if followed is not None and decoder is not None:
        raise ValueError(f"a schedule excludes a decoder, because its phases {followed.names} have their own")
    if followed is not None:
        first = decoder_of(followed.phases[0])
    elif decoder is not None:
        first = as_decoder(decoder)
    else:
        first = population_vector(UNITS if units is None else as_whole_number("units", units, 1, MOST_UNITS))
    if units is not None and units != first.units:
        raise ValueError(f"units must be those of the decoder, {first.units}, or None; got {units!r}")
    directions = target_directions(targets)
    if directions is None:
        raise ValueError('a cursor has centre-out targets: give their number or directions, not "random"')
    if followed is not None:
        followed.check_targets(len(directions))
    return CursorSettings(
        decoder=first,
        schedule=followed,
        directions=directions,
        go_steps=go_steps(go_time),
        catch_fraction=as_number("catch_fraction", catch_fraction, 0.0, 1.0),
        noise=as_noise(noise),
        delays=as_delays(delays),
        reward_weights=as_reward_weights(reward_weights),
    )


def cursor_spaces(units: int) -> tuple[spaces.Box, spaces.Box]:
    """Return observation and action space of one cursor, as tabulated in `envs.bci.BCIReachEnv`."""
    low = np.array([-1.0] * CUE + [0.0], dtype=np.float32)
    return spaces.Box(low, np.float32(1.0), (CHANNELS,), np.float32), spaces.Box(
        -1.0, 1.0, (units,), np.float32
    )


@dataclass
class CursorOptions(TrialOptions):
    """Choices for n trials; None leaves a value as drawn.

    Attributes:
        decoders: n decoders.
    """

    decoders: list[Decoder] | None = None


CURSOR_AS_DRAWN: Final = CursorOptions()  # the same object for all trials of which nothing is chosen


def cursor_options(options: Mapping[str, Any] | None, n: int, settings: CursorSettings) -> CursorOptions:
    """Check the `options` of `reset`.

    Args:
        options: See `envs.bci.BCIReachEnv`; a value is for all trials, a list has one for each.
        n: Number of trials.
        settings: The task.

    Raises:
        ValueError: If a name is unknown or a value is bad; it lists the valid ones.
    """
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"the options of reset must be a dict or None, got {options!r}")
    given = dict(options or {})
    unknown = sorted(set(given) - set(OPTIONS), key=str)
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; the options are {list(OPTIONS)}")
    value = given.pop("decoder", None)
    decoders = None if value is None else _decoders(value, n, settings.units)
    if not given and decoders is None:
        return CURSOR_AS_DRAWN
    return CursorOptions(**vars(trial_options(given, n, len(settings.directions))), decoders=decoders)


def _decoders(value: Any, n: int, units: int) -> list[Decoder]:
    """Return n decoders, given as one for all trials or as a list."""
    decoders = (
        [as_decoder(each) for each in value] if isinstance(value, list | tuple) else [as_decoder(value)] * n
    )
    if len(decoders) != n:
        raise ValueError(f"option 'decoder': {len(decoders)} decoders were given for {n} trials")
    wrong = [decoder.units for decoder in decoders if decoder.units != units]
    if wrong:
        raise ValueError(f"option 'decoder' must have {units} units, as the activity has, got {wrong[0]}")
    return decoders
