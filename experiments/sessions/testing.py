"""Tests with fixed weights: sessions on which nothing but activity can learn."""

from __future__ import annotations

import dataclasses
import zlib
from typing import Final

import numpy as np
import pandas as pd

from agents.supervised.learner import SupervisedLearner
from agents.supervised.networks import Ensemble
from agents.supervised.record import as_recording
from agents.supervised.rollout import scored_path
from agents.supervised.session_reaches import SessionReaches, probed_session
from experiments.sessions.config import Sessions
from experiments.sessions.protocol import SessionTests
from experiments.stored.preparation import FORCE_DELAY, PREPARATORY_TIME
from savings_gym.arrays import Columns, Floats, joined
from savings_gym.metrics.kinematics import kinematic_measures
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.session import FieldPair, Session
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, Delays

SIGNS: Final = (1, -1)  # of the test field
TEST = 1  # last key of the generators


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What n networks did in sessions of one kind.

    Attributes:
        table: A row per sign, session, network, trial and target: a probe table whose "update" and "trial"
            are the number of the trial in its block, with "sign", "session" and "session_trial".
        prepared: (sign, session, n, trial, 8, units) activity 0.16 s into the trial, by target.
        force: (sign, session, n, trial, 8, 2) hand force 90 ms after the cue is seen, by target [N].
    """

    table: pd.DataFrame
    prepared: Floats
    force: Floats


def test(config: Sessions, ensemble: Ensemble, kind: str) -> Outcome:
    """Take networks through all sessions of one kind of test.

    A session and its sham draw the same targets and noise, whatever the networks.
    """
    learner = SupervisedLearner(ensemble)
    tables, prepared, force = [], [], []
    for sign in SIGNS:
        for number in range(config.tests):
            rng = np.random.default_rng((*session_key(config, kind, number), TEST))
            session = with_sign(config.test_sessions()[kind], sign)
            batch = probed_session(config.networks, session, rng, noise=config.noise, delays=config.delays)
            table, now, push = _go_through(learner, session, batch, config)
            tables.append(table.assign(sign=np.int8(sign), session=np.int32(number)))
            prepared.append(now)
            force.append(push)
    shape = (len(SIGNS), config.tests)
    return Outcome(
        pd.concat(tables, ignore_index=True),
        np.stack(prepared).reshape(*shape, *prepared[0].shape),
        np.stack(force).reshape(*shape, *force[0].shape),
    )


def session_key(config: SessionTests, kind: str, number: int) -> tuple[int, int, int]:
    """Return the key of the random numbers of a session, which its sham shares."""
    return config.seed, zlib.crc32(kind.split(",")[0].encode()), number


def with_sign(session: Session, sign: int) -> Session:
    """Return the session of a test with the curl fields of a sign."""
    (pair,) = session.pairs
    assert isinstance(pair.a, CurlField) and isinstance(pair.b, CurlField)
    return dataclasses.replace(
        session, pairs=(FieldPair(CurlField(sign * pair.a.b), CurlField(sign * pair.b.b)),)
    )


def preparation_steps(delays: Delays) -> tuple[int, int]:
    """Return the control steps in which an `Outcome` has preparatory activity and hand force."""
    return (
        round(PREPARATORY_TIME / CONTROL_STEP),
        round((PROBE_GO + delays.cue_delay + FORCE_DELAY) / CONTROL_STEP),
    )


def _go_through(
    learner: SupervisedLearner, session: Session, batch: SessionReaches, config: Sessions
) -> tuple[pd.DataFrame, Floats, Floats]:
    """Run one session; return its rows, preparatory activity and hand force."""
    moment, pushed = preparation_steps(config.delays)
    rows: list[Columns] = []
    prepared, force = [], []
    for trial, trajectory in enumerate(learner.probe_sessions(batch.trials)):
        reaches, target = batch.trials[trial], batch.target[trial]
        measures = kinematic_measures(
            scored_path(trajectory, reaches), reaches.target.double().numpy(), CONTROL_STEP
        )
        n, in_block = len(target), batch.in_block[trial, 0, 0]
        numbers = {"update": in_block, "trial": in_block, "session_trial": trial}
        rows.append(
            {"network": np.repeat(np.arange(n, dtype=np.int32), N_TARGETS)}
            | {"phase": np.full(target.size, session.names[batch.block[trial, 0, 0]], dtype=object)}
            | {name: np.full(target.size, value, dtype=np.int32) for name, value in numbers.items()}
            | {"target": target.ravel().astype(np.int32)}
            | {name: values.ravel().astype(np.float32) for name, values in measures.items()}
        )
        recording = as_recording(trajectory, reaches, learner.arm)
        order = np.argsort(target, axis=1)[..., None]
        prepared.append(np.take_along_axis(recording.hidden[:, :, moment], order, axis=1))
        force.append(np.take_along_axis(recording.hand_force[:, :, pushed], order, axis=1))
    table = pd.DataFrame(joined(rows))
    return table, np.stack(prepared, 1), np.stack(force, 1)
