"""From untrained networks to probes of the four phases, in all conditions side by side.

Networks first learn to move the cursor by a read-out of their own. The intuitive decoder of each is
calibrated from its activity in these reaches, as that of an animal is from activity while it watches or moves
a cursor, and practised in NF1. Then come FF1, NF2 and FF2, for copies of the networks in every condition: the
copies get the same trials, and a sham differs in the decoder of FF1 alone, which stays intuitive.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from agents.supervised.cursor import (
    CursorLearner,
    CursorTrajectory,
    Plant,
    cursor_ensemble,
    cursor_reaches,
    cursor_targets,
    decoded,
)
from agents.supervised.learner import FROZEN
from agents.supervised.networks import Ensemble
from experiments.bci.config import CONDITIONS, SHAM, Bci
from experiments.runs.command_line import Stopped
from savings_gym.arrays import MM, Columns, Floats
from savings_gym.bci.calibration import FactorDecoder, calibrate
from savings_gym.bci.decoder import Decoder
from savings_gym.bci.perturbations import KINDS, Perturbation, choose_perturbation
from savings_gym.metrics.curves import probe_rows
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, Delays, Noise, whole_steps

log = logging.getLogger(__name__)
PRETRAIN, CALIBRATE, PERTURB, PROBE = range(4)  # keys of the generators; phases come after
CALIBRATION_TRIALS: Final = 3  # batches of 8 targets from which a decoder is calibrated
MOVEMENT: Final = 0.3  # s after the cue is seen: when activity is on the way to the target
LINE_EVERY: Final = 100  # updates


@dataclass(frozen=True, eq=False)
class Outcome:
    """What n networks did in every condition.

    Attributes:
        rows: Columns of a probe table, with "condition", of every probe.
        activity: Condition to phase to (n, 8, time, units) activity of the last probe in it, on the way to
            the target.
        intuitive: n calibrated decoders.
        perturbations: Kind to n perturbations.
    """

    rows: list[Columns]
    activity: dict[str, dict[str, Floats]]
    intuitive: list[FactorDecoder]
    perturbations: dict[str, list[Perturbation]]

    def perturbed(self, kind: str) -> list[Decoder]:
        """Return the perturbed decoders of a kind."""
        return [perturbation.decoder for perturbation in self.perturbations[kind]]


class Experiment:
    """One run of the experiment.

    Args:
        config: The arguments.
        stopped: Called before every update; True raises `Stopped`.
    """

    def __init__(self, config: Bci, stopped: Callable[[], bool] = lambda: False) -> None:
        self.config, self._stopped = config, stopped
        self._rows: list[Columns] = []
        self._activity: dict[str, dict[str, Floats]] = {condition: {} for condition in CONDITIONS}
        seen = round(PROBE_GO / CONTROL_STEP) + whole_steps("cue delay", config.delays.cue_delay)
        self._movement = slice(seen, seen + round(MOVEMENT / CONTROL_STEP))

    def run(self) -> Outcome:
        """Go through everything.

        Raises:
            Stopped: If asked to stop.
            FloatingPointError: If the learning diverged.
            ValueError: If a network has no perturbation in the range.
        """
        ensemble = self._pretrained()
        intuitive = self._calibrated(ensemble)
        ensemble.freeze(*FROZEN)
        start = [each.decoder() for each in intuitive]
        self._phase("NF1", ensemble, start, CONDITIONS[:1])
        baseline, rows = self._activity[CONDITIONS[0]]["NF1"], list(self._rows)
        for condition in CONDITIONS[1:]:  # all that are alike until the perturbation
            self._activity[condition]["NF1"] = baseline
            self._rows += [row | {"condition": np.full_like(row["condition"], condition)} for row in rows]
        perturbations = self._perturbations(intuitive, baseline)
        ensemble = ensemble.select(*list(range(self.config.networks)) * len(CONDITIONS))
        for phase in PHASES[1:]:
            decoders = [
                decoder
                for condition in CONDITIONS
                for decoder in self._decoders(phase, condition, start, perturbations)
            ]
            self._phase(phase, ensemble, decoders, CONDITIONS)
        return Outcome(self._rows, self._activity, intuitive, perturbations)

    def _pretrained(self) -> Ensemble:
        config = self.config
        ensemble = cursor_ensemble(config.cell, config.networks, config.units, seed=config.seed)
        learner, count = CursorLearner(ensemble, config.pretraining()), config.pretrain_updates
        for update in range(count):
            for group in learner.optimiser.param_groups:
                group["lr"] = config.pretrain_rate * (1.0 - update / count)
            self._update(learner, None, "pre-training", PRETRAIN, update, count)
        return ensemble

    def _calibrated(self, ensemble: Ensemble) -> list[FactorDecoder]:
        """Calibrate a decoder for each network from reaches with its own read-out."""
        config, rng = self.config, np.random.default_rng((self.config.seed, CALIBRATE))
        noise = Noise(config.calibration_noise, config.noise.proprioception, config.noise.vision)
        activity, velocity = [], []
        for _ in range(CALIBRATION_TRIALS):
            reaches = cursor_reaches(
                ensemble, rng, probe=False, catch_fraction=0.0, noise=noise, delays=config.delays
            )
            trajectory = CursorLearner(ensemble).probe(reaches)
            activity.append((trajectory.hidden + reaches.activity_noise).flatten(1, 2).double().numpy())
            velocity.append(trajectory.velocity.flatten(1, 2).double().numpy())
        samples = zip(np.concatenate(activity, axis=1), np.concatenate(velocity, axis=1), strict=True)
        found = [calibrate(x, v, config.factors, config.smoothing) for x, v in samples]
        log.info("decoders are calibrated: R2 %.2f", np.mean([each.fit for each in found]))
        return found

    def _perturbations(
        self, intuitive: list[FactorDecoder], baseline: Floats
    ) -> dict[str, list[Perturbation]]:
        """Choose one of each kind for every network, alike in difficulty."""
        config = self.config
        return {
            kind: [
                choose_perturbation(
                    kind,
                    decoder,
                    activity.mean(axis=1),
                    np.random.default_rng((config.seed, PERTURB, number, network)),
                    config.change,
                    config.candidates,
                )
                for network, (decoder, activity) in enumerate(zip(intuitive, baseline, strict=True))
            ]
            for number, kind in enumerate(KINDS)
        }

    @staticmethod
    def _decoders(
        phase: str, condition: str, start: list[Decoder], perturbations: dict[str, list[Perturbation]]
    ) -> list[Decoder]:
        """Return the decoders of a phase in one condition."""
        if phase == "NF2" or (phase == "FF1" and condition in SHAM.values()):
            return start
        return [perturbation.decoder for perturbation in perturbations[condition.split(",")[0]]]

    def _phase(
        self, phase: str, ensemble: Ensemble, decoders: list[Decoder], conditions: tuple[str, ...]
    ) -> None:
        """Learn through a phase, with a probe before the first update, every few, and after the last."""
        config, count = self.config, self.config.updates(phase)
        learner, plant = CursorLearner(ensemble, config.learning()), decoded(decoders, ensemble.initial)
        for update in range(count + 1):
            if update % config.probe_every == 0 or update == count:
                trajectory = self._probe(learner, plant, phase, update, conditions)
            if update < count:
                key = PROBE + 1 + PHASES.index(phase)
                self._update(learner, plant, phase, key, update, count, len(conditions))
        moving = trajectory.hidden[:, self._movement].double().numpy().swapaxes(1, 2)
        for condition, part in zip(conditions, np.split(moving, len(conditions)), strict=True):
            self._activity[condition][phase] = part

    def _update(
        self,
        learner: CursorLearner,
        plant: Plant | None,
        name: str,
        key: int,
        update: int,
        count: int,
        copies: int = 1,
    ) -> None:
        if self._stopped():
            raise Stopped
        began = time.monotonic()
        rng = np.random.default_rng((self.config.seed, key, update))
        terms = learner.update(
            cursor_reaches(learner.ensemble, rng, probe=False, copies=copies, **self._world()), plant
        )
        if update % LINE_EVERY == 0:
            pace, error = time.monotonic() - began, MM * float(terms["position"].mean())
            log.info("%s, update %d of %d: cursor to goal %.1f mm, %.2f s", name, update, count, error, pace)

    def _probe(
        self, learner: CursorLearner, plant: Plant, phase: str, update: int, conditions: tuple[str, ...]
    ) -> CursorTrajectory:
        """Probe all networks, with the same noise every time, and add their rows."""
        rng = np.random.default_rng((self.config.seed, PROBE))
        copies = len(conditions)
        reaches = cursor_reaches(learner.ensemble, rng, probe=True, copies=copies, **self._world())
        trajectory = learner.probe(reaches, plant)
        measures = kinematic_measures(trajectory.path(), cursor_targets(), CONTROL_STEP)
        n = self.config.networks
        networks = np.tile(np.arange(n), copies)
        self._rows.append(
            {"condition": np.repeat(np.array(conditions, dtype=object), n * N_TARGETS)}
            | probe_rows(networks, phase, update, update * N_TARGETS, measures)
        )
        return trajectory

    def _world(self) -> dict[str, Any]:
        world: dict[str, Noise | Delays] = {"noise": self.config.noise, "delays": self.config.delays}
        return world
