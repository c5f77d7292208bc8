"""The field's protocols, as schedules by name.

    schedule = spontaneous_recovery(VisuomotorRotation(30.0))
    env = gym.make("SavingsReach-v0", schedule=schedule)

Each takes any perturbation A, a force field or a visual one; by default it is `CurlField(8.0)`. Lengths are
in trials; unless a docstring says whose they are, they are ours, short enough to try a protocol out, and
learners by gradients need longer ones. B is the opposite of A unless given. An error clamp is a force channel
for force fields and a clamp of the cursor for visual perturbations, see `error_clamp`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from savings_gym.arrays import as_choice, as_whole_number
from savings_gym.perturbations.fields import ChannelField, CurlField, Field, NullField, as_field
from savings_gym.perturbations.modified import Scaled
from savings_gym.perturbations.visual import VisualClamp
from savings_gym.task.schedule import Phase, Schedule, four_phase

FieldLike = Field | Mapping[str, Any] | None
WHOLE: Final = (0.0, 1.0)  # sizes of a perturbation that sets on gradually
NONE: Final[Field] = NullField()


def error_clamp(field: Field, scored: str = "hand") -> Field:
    """Return the error clamp of a perturbation.

    A force channel (Scheidt et al. 2000), or for what is seen a cursor that moves straight to the target
    (Morehead et al. 2017).

    Learning goes on in a block of clamps, the phase "clamp", so a clamped cursor is scored there: rewards and
    losses do not depend on the direction of the hand, just as the walls of a channel leave no error to the
    side. If the hand were scored, they would bring it back to the target, and the block would be a washout.
    Measures of these trials are those of the cursor, too; where the hand goes is in
    ``info["hand_position"]``, and `Probe.clamp` measures it.

    Clamps that only measure ("before k", "after k" and "probe k") score the hand, whose direction they are
    there to measure. An agent that learns from their rewards, too, unlearns a little in each; supervised
    networks do not learn in them (``agents.supervised.course``).

    Args:
        field: The perturbation.
        scored: What a clamp of the cursor has scored, "hand" or "cursor".
    """
    return ChannelField() if field.scored is None else VisualClamp(scored=scored)


def abrupt(field: FieldLike = None, baseline: int = 80, adaptation: int = 160, washout: int = 80) -> Schedule:
    """Return A at once: "baseline", "A" and "washout" (Shadmehr & Mussa-Ivaldi 1994).

    Args:
        field: A.
        baseline: Trials without it.
        adaptation: Trials in it.
        washout: Trials without it, 0 for none.
    """
    return _schedule(
        ("baseline", NONE, baseline), ("A", _perturbation(field), adaptation), ("washout", NONE, washout)
    )


def gradual(
    field: FieldLike = None, baseline: int = 80, ramp: int = 160, adaptation: int = 80, washout: int = 80
) -> Schedule:
    """Return A by steps too small to notice: "baseline", "ramp", "A", "washout" (Kagerer et al. 1997).

    Args:
        field: A.
        baseline: Trials without it.
        ramp: Trials in which it grows evenly from nothing.
        adaptation: Trials in all of it.
        washout: Trials without it, 0 for none.
    """
    force = _perturbation(field)
    return _schedule(
        ("baseline", NONE, baseline), ("ramp", force, ramp, WHOLE), ("A", force, adaptation),
        ("washout", NONE, washout),
    )  # fmt: skip


def savings(
    field: FieldLike = None, nf1: int = 80, ff1: int = 160, nf2: int = 160, ff2: int = 160, ramp: int = 0
) -> Schedule:
    """Return A-washout-A: "NF1", "FF1", "NF2", "FF2" (Krakauer, Ghez & Ghilardi 2005), as `four_phase`.

    With a ramp the first A sets on gradually, which leaves no strategy to recall (Yin & Wei 2020), and the
    second at once: a phase "ramp" comes before "FF1".

    Args:
        field: A.
        nf1: Trials of the baseline.
        ff1: Trials in A.
        nf2: Trials of the washout.
        ff2: Trials in A again.
        ramp: Trials in which the first A grows from nothing, 0 for none.
    """
    force = _perturbation(field)
    if as_whole_number("ramp", ramp) == 0:
        return four_phase(force, nf1, ff1, nf2, ff2)
    return _schedule(
        ("NF1", NONE, nf1), ("ramp", force, ramp, WHOLE), ("FF1", force, ff1), ("NF2", NONE, nf2),
        ("FF2", force, ff2),
    )  # fmt: skip


def interference(
    field: FieldLike = None, other: FieldLike = None, nf1: int = 80, ff1: int = 160, b: int = 160,
    ff2: int = 160,
) -> Schedule:  # fmt: skip
    """Return A-B-A: "NF1", "FF1", "B", "FF2" (Brashers-Krug, Shadmehr & Bizzi 1996).

    Args:
        field: A.
        other: B; None is the opposite of A.
        nf1: Trials of the baseline.
        ff1: Trials in A.
        b: Trials in B.
        ff2: Trials in A again.
    """
    force = _perturbation(field)
    return _schedule(
        ("NF1", NONE, nf1), ("FF1", force, ff1), ("B", _opposite(force, other), b), ("FF2", force, ff2)
    )


def spontaneous_recovery(
    field: FieldLike = None, other: FieldLike = None, baseline: int = 50, adaptation: int = 125, b: int = 15,
    clamp: int = 150,
) -> Schedule:  # fmt: skip
    """Return A-B-clamp: "baseline", "A", "B", "clamp" (Smith, Ghazizadeh & Shadmehr 2006).

    In the error clamp, adaptation to A comes back. A clamped cursor is scored there, see `error_clamp`. The
    lengths are those of Heald, Lengyel & Wolpert 2021.

    Args:
        field: A.
        other: B; None is the opposite of A.
        baseline: Trials without a perturbation.
        adaptation: Trials in A.
        b: Trials in B, enough to bring the adaptation back to about none.
        clamp: Trials in the error clamp.
    """
    force = _perturbation(field)
    return _schedule(
        ("baseline", NONE, baseline), ("A", force, adaptation), ("B", _opposite(force, other), b),
        ("clamp", error_clamp(force, "cursor"), clamp),
    )  # fmt: skip


def error_clamps(
    field: FieldLike = None, baseline: int = 80, adaptation: int = 160, clamp: int = 80
) -> Schedule:
    """Return A and a block of error clamps: "baseline", "A", "clamp" (Scheidt et al. 2000).

    Without errors, adaptation is retained longer than in a washout. A clamped cursor is scored, see
    `error_clamp`.

    Args:
        field: A.
        baseline: Trials without a perturbation.
        adaptation: Trials in A.
        clamp: Trials in the error clamp.
    """
    force = _perturbation(field)
    return _schedule(
        ("baseline", NONE, baseline), ("A", force, adaptation), ("clamp", error_clamp(force, "cursor"), clamp)
    )


def single_trials(
    field: FieldLike = None, sizes: Sequence[float] = (1.0, -1.0), rounds: int = 10, between: int = 6,
    baseline: int = 40,
) -> Schedule:  # fmt: skip
    """Return single trials of A, of several sizes, each between two error clamps.

    The difference between the clamps is what one trial teaches: the sensitivity to errors, by their size (as
    in Marko et al. 2012).
    The phases are "baseline", and for k = 1, 2, ... "rest k", "before k", "A k" and "after k". The last three
    are single trials, never catch trials.

    Args:
        field: A.
        sizes: Factors of A, in turn.
        rounds: How often each of them comes.
        between: Trials without a perturbation before each.
        baseline: Trials without a perturbation before all of them.
    """
    force = _perturbation(field)
    clamp = error_clamp(force)
    phases = _phases(("baseline", NONE, baseline))
    for k, size in enumerate(tuple(sizes) * as_whole_number("rounds", rounds, 1), 1):
        phases += _phases((f"rest {k}", NONE, between))
        single = (("before", clamp), ("A", Scaled(force, size)), ("after", clamp))
        phases += [Phase(f"{name} {k}", its, 1, catch_fraction=0.0) for name, its in single]
    return Schedule(tuple(phases))


def generalisation(
    field: FieldLike = None, trained: Sequence[int] = (0,), baseline: int = 80, adaptation: int = 160,
    rounds: int = 4, refresh: int = 16, targets: int = 8,
) -> Schedule:  # fmt: skip
    """Return A towards some targets, then error clamps towards all (Krakauer et al. 2000).

    What is left of the adaptation at the angle between target and trained target is the generalisation. The
    phases are "baseline" (all targets), "A" (the trained ones), and for k = 1, 2, ... "probe k" (each target
    once, in a clamp that scores the hand, see `error_clamp`) and between them "refresh k" (A again).

    Args:
        field: A.
        trained: Indices of the targets of A.
        baseline: Trials without a perturbation.
        adaptation: Trials in A.
        rounds: How often all targets are probed.
        refresh: Trials in A between two rounds, 0 for none.
        targets: Number of centre-out targets of the task.
    """
    force, chosen = _perturbation(field), tuple(trained)
    phases = [Phase("baseline", NONE, baseline), Phase("A", force, adaptation, targets=chosen)]
    for k in range(1, as_whole_number("rounds", rounds, 1) + 1):
        if k > 1 and refresh:
            phases.append(Phase(f"refresh {k - 1}", force, refresh, targets=chosen))
        phases.append(Phase(f"probe {k}", error_clamp(force), targets, catch_fraction=0.0))
    return Schedule(tuple(phases))


PROTOCOLS: Final[Mapping[str, Callable[..., Schedule]]] = {
    "abrupt": abrupt,
    "gradual": gradual,
    "savings": savings,
    "interference": interference,
    "spontaneous-recovery": spontaneous_recovery,
    "error-clamps": error_clamps,
    "single-trials": single_trials,
    "generalisation": generalisation,
}
"""Protocols by name."""


def protocol(name: str, field: FieldLike = None, **lengths: Any) -> Schedule:
    """Return a protocol by its name in `PROTOCOLS`.

    Args:
        name: The name; spaces or underscores may stand for its hyphens.
        field: The perturbation A.
        **lengths: Other arguments of that protocol.

    Raises:
        ValueError: If there is no such protocol or argument, or a value is bad; it names the valid choices.
    """
    hyphened = re.sub("[ _]", "-", name) if isinstance(name, str) else name
    make = PROTOCOLS[as_choice("protocol", hyphened, PROTOCOLS)]
    valid = [argument for argument in inspect.signature(make).parameters if argument != "field"]
    for argument in lengths:
        if argument not in valid:
            raise ValueError(f"protocol {hyphened!r} has no argument {argument!r}; it has {valid}")
    return make(field, **lengths)


def _perturbation(field: FieldLike) -> Field:
    return CurlField(8.0) if field is None else as_field(field)


def _opposite(field: Field, other: FieldLike) -> Field:
    return Scaled(field, -1.0) if other is None else as_field(other)


def _phases(*given: tuple[Any, ...]) -> list[Phase]:
    """Return phases, given as (name, field, trials, sizes); those without trials are left out."""
    phases = []
    for name, field, trials, *sizes in given:
        if as_whole_number(f"phase {name!r}: trials", trials) > 0:
            phases.append(Phase(name, field, trials, sizes=sizes[0] if sizes else None))
    return phases


def _schedule(*given: tuple[Any, ...]) -> Schedule:
    """Return a schedule of phases, given as in `_phases`."""
    return Schedule(tuple(_phases(*given)))
