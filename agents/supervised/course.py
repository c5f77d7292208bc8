"""An ensemble through any schedule: learning, probes and error clamps, and a table of what came of it.

learner = pretrained_learner("experiments/pretrained/gru128.safetensors", 4)
table = take_course(learner, protocol("gradual", VisuomotorRotation(30.0)))
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.learner import ADAPTATION, FROZEN, Learning, SupervisedLearner
from agents.supervised.reaches import TRAINING_GO, Reaches, centre_out, centre_out_targets
from agents.supervised.rollout import scored_path, wall_forces
from savings_gym.arm.model import Arm
from savings_gym.arrays import Columns, Floats, as_seed, as_whole_number, joined
from savings_gym.metrics.channel import velocity_matrix
from savings_gym.metrics.curves import probe_rows
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.metrics.rotation import rotation_adaptation
from savings_gym.perturbations.fields import ChannelField, Field
from savings_gym.perturbations.visual import VisualClamp, VisuomotorRotation
from savings_gym.task.schedule import Phase, Schedule
from savings_gym.task.settings import CATCH_FRACTION, CONTROL_STEP, N_TARGETS, Delays, Noise

TRAIN, PROBE = range(2)  # second key of the generators
ONLY_MEASURES: Final = re.compile(r"(probe|before|after) \d+")  # phases of `PROTOCOLS`, such as "before 1"


def pretrained_learner(
    file: str | Path, networks: int | None = None, learning: Learning = ADAPTATION, **options: Any
) -> SupervisedLearner:
    """Return a learner of networks from a file, of which the recurrent layer learns, as in the study.

    Args:
        file: Weights, see ``agents.supervised.checkpoints``.
        networks: How many of them, the first ones; None is all.
        learning: How they learn.
        **options: Further arguments of `SupervisedLearner`, such as ``arm``.

    Raises:
        FileNotFoundError, ValueError: If the file is missing, damaged, or has fewer networks.
    """
    ensemble = load_ensemble(Path(file), networks)
    ensemble.freeze(*FROZEN)
    return SupervisedLearner(ensemble, learning, **options)


def take_course(
    learner: SupervisedLearner,
    schedule: Schedule,
    measured: Field | None = None,
    *,
    seed: int = 0,
    probe_every: int = 10,
    noise: Noise = Noise(),  # noqa: B008, frozen
    delays: Delays = Delays(),  # noqa: B008, frozen
    training_go: tuple[float, float] = TRAINING_GO,
    before_update: Callable[[], object] = lambda: None,
) -> Columns:
    """Take a learner through a schedule, whose trials are updates on batches of 8 reaches.

    Half of a batch is without go, unless its phase has another share. The targets of a phase follow each
    other in its batches. In phases named "probe 1", "before 1", "after 1" and so on, as some protocols have
    them, networks are only measured. Probes, at the beginning of a phase, every few updates and at its end,
    are the 8 centre-out reaches in the field of the phase, with the same noise every time.

    Args:
        learner: The networks, which learn.
        schedule: The phases, for example one of ``savings_gym.task.protocols``.
        measured: Curl field, viscous field or rotation whose compensation is measured beside every probe, in
            an error clamp; None measures none.
        seed: Of all trials; update k of two courses with one seed draws the same.
        probe_every: Updates between probes.
        noise: Noise of excitations and senses.
        delays: Delays of the senses and of the go cue, those with which the networks were trained.
        training_go: First and last time of go in training trials [s].
        before_update: Called before every update; what it raises ends the course.

    Returns:
        A probe table, see ``savings_gym.metrics.curves``: network, phase, update, trial (8 per update),
        target and the kinematic measures; and if measured, "adaptation", the share that is made up for.

    Raises:
        ValueError: If what is measured is another perturbation, a phase has other targets than the 8, or a
            number is bad.
        FloatingPointError: If a network diverged.
    """
    as_whole_number("probe_every", probe_every, least=1)
    if measured is not None and not isinstance(measured, VisuomotorRotation):
        velocity_matrix(measured)
    schedule.check_targets(N_TARGETS)
    seed, n, arm = as_seed("seed", seed), learner.ensemble.networks, learner.arm.arm
    weights = learner.ensemble.initial
    common: dict[str, Any] = {
        "noise": noise, "delays": delays, "device": weights.device, "dtype": weights.dtype, "arm": arm,
        "signal_noise": learner.arm.impairments.signal_noise,
    }  # fmt: skip

    def probe(field: Field) -> Reaches:
        return centre_out(n, field, np.random.default_rng((seed, PROBE)), probe=True, **common)

    made, rows = 0, []
    for phase in schedule.phases:
        updates = 0 if ONLY_MEASURES.fullmatch(phase.name) else phase.trials
        catch = CATCH_FRACTION if phase.catch_fraction is None else phase.catch_fraction
        for update in range(updates):
            before_update()
            if update % probe_every == 0:
                rows.append(_rows(learner, phase, update, probe, measured))
            rng = np.random.default_rng((seed, TRAIN, made))
            learner.update(
                centre_out(
                    n, phase.field_at(update), rng, probe=False, catch_fraction=catch, go_time=training_go,
                    targets=training_targets(phase, update, arm), **common,
                )
            )  # fmt: skip
            made += 1
        rows.append(_rows(learner, phase, updates, probe, measured))
    return joined(rows)


def training_targets(phase: Phase, update: int, arm: Arm | None = None) -> Floats:
    """Return the targets of the 8 reaches of a batch of a phase, in turn from batch to batch, (8, 2) [m]."""
    chosen = np.array(range(N_TARGETS) if phase.targets is None else phase.targets)
    turn = (N_TARGETS * update + np.arange(N_TARGETS)) % chosen.size
    aims: Floats = centre_out_targets(arm)[chosen[turn]]
    return aims


def adaptation(learner: SupervisedLearner, measured: Field, probe: Callable[[Field], Reaches]) -> Floats:
    """Return the share of a field or rotation that networks make up for in an error clamp, (n, 8).

    Args:
        learner: The networks.
        measured: Curl field, viscous field or rotation.
        probe: Makes the 8 reaches of a probe in a field.

    Raises:
        ValueError: If it is another perturbation.
    """
    if isinstance(measured, VisuomotorRotation):
        reaches = probe(VisualClamp())
        path = learner.probe(reaches).path(reaches.start)
        targets = centre_out_targets(learner.arm.arm)
        return rotation_adaptation(path, targets, measured.angle_deg, CONTROL_STEP)
    walls = ChannelField()
    reaches = probe(walls)
    share: Floats = wall_forces(learner.probe(reaches), reaches, walls, measured).adaptation
    return share.reshape(-1, N_TARGETS)


def _rows(
    learner: SupervisedLearner,
    phase: Phase,
    update: int,
    probe: Callable[[Field], Reaches],
    measured: Field | None,
) -> Columns:
    """Rows of one probe, and of the reaches in an error clamp beside it."""
    reaches = probe(phase.field_at(update))
    path = scored_path(learner.probe(reaches), reaches)
    values = dict(kinematic_measures(path, centre_out_targets(learner.arm.arm), CONTROL_STEP))
    if measured is not None:
        values["adaptation"] = adaptation(learner, measured, probe)
    return probe_rows(np.arange(len(path)), phase.name, update, update * N_TARGETS, values)
