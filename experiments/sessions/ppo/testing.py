"""Tests of agents with fixed weights, in the sessions in which the networks of `experiments.sessions` are."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.runs.command_line import Stopped
from experiments.sessions.ppo.config import USUAL, SessionsPpo
from experiments.sessions.ppo.training import agent_file, load_weights, session_model
from experiments.sessions.protocol import SAVINGS, SHAM, UNTRAINED
from experiments.sessions.testing import SIGNS, Outcome, preparation_steps, with_sign
from savings_gym import run_sessions
from savings_gym.arrays import Floats
from savings_gym.files import read_table, verified, write_atomically, write_table
from savings_gym.probes.probe import ProbeResult
from savings_gym.sb3.training_env import AgentView, TrainingEnv
from savings_gym.task.settings import N_TARGETS

RECORDED = (SAVINGS, SHAM)  # tests of which activity is kept
SERIES = ("prepared", "force")  # of an `Outcome`


def test(
    config: SessionsPpo, number: int, regime: str, stopped: Callable[[], bool] = lambda: False
) -> dict[str, Outcome]:
    """Take an agent through all tests, or read what it did; return that by kind of test.

    A session and its sham have the same targets and noise, whatever the agent.

    Raises:
        Stopped: If asked to stop; the tests of this agent begin anew.
        FileNotFoundError, ValueError: If a file is missing, was changed, or is that of another agent.
    """
    tables, arrays = (config.out / f"tests_{number}_{regime}.{ending}" for ending in ("parquet", "npz"))
    if not (verified(tables).is_file() and verified(arrays).is_file()):
        outcomes = _go_through(config, number, regime, stopped)
        buffer = io.BytesIO()
        recorded = {
            f"{kind}/{name}": getattr(outcomes[kind], name).astype(np.float32)
            for kind in RECORDED
            for name in SERIES
        }
        np.savez_compressed(buffer, allow_pickle=False, **recorded)
        write_atomically(arrays, buffer.getvalue())
        table = pd.concat([each.table.assign(test=kind) for kind, each in outcomes.items()])
        write_table(tables, table)
    return _read(tables, arrays)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of several agents, as that of so many networks."""
    return Outcome(
        pd.concat([each.table for each in outcomes], ignore_index=True),
        *(np.concatenate([getattr(each, name) for each in outcomes], axis=2) for name in SERIES),
    )


def _go_through(
    config: SessionsPpo, number: int, regime: str, stopped: Callable[[], bool]
) -> dict[str, Outcome]:
    model = session_model(config, number, USUAL if regime == UNTRAINED else regime)
    load_weights(model, agent_file(config.out, number, regime))
    env = model.get_env()
    assert env is not None
    training = TrainingEnv.of(env)
    view, outcomes = AgentView(training.wrappers), {}
    for kind, session in config.test_sessions().items():
        tables, recorded = [], []
        for sign in SIGNS:
            for each in range(config.tests):
                if stopped():
                    raise Stopped
                key = (config.seed, zlib.crc32(kind.split(",")[0].encode()), each)
                seed = int(np.random.SeedSequence(key).generate_state(1)[0])
                trials: list[ProbeResult] = []
                columns = run_sessions(
                    model, training.settings, with_sign(session, sign), 1, seed, network=number, view=view,
                    on_trial=trials.append if kind in RECORDED else None,
                )  # fmt: skip
                table = pd.DataFrame(columns)
                tables.append(table.assign(sign=np.int8(sign), session=np.int32(each)))
                recorded.append(_recorded(config, table, trials))
        shape = (len(SIGNS), config.tests, 1)
        prepared, force = (
            np.stack(values).reshape(*shape, *values[0].shape) for values in zip(*recorded, strict=True)
        )
        outcomes[kind] = Outcome(pd.concat(tables, ignore_index=True), prepared, force)
    return outcomes


def _recorded(config: SessionsPpo, table: pd.DataFrame, trials: list[ProbeResult]) -> tuple[Floats, Floats]:
    """Return preparatory activity (trial, 8, units) and hand force (trial, 8, 2), by target.

    Both are empty if the trials were not recorded.
    """
    moment, pushed = preparation_steps(config.delays)
    order = np.argsort(table["target"].to_numpy().reshape(-1, N_TARGETS), axis=1)
    prepared, force = [], []
    for trial, by_target in zip(trials, order, strict=False):
        assert trial.activity is not None
        prepared.append(trial.activity.hidden[by_target, moment])
        force.append(trial.activity.hand_force[by_target, pushed])
    return np.array(prepared), np.array(force)


def _read(tables: Path, arrays: Path) -> dict[str, Outcome]:
    table = read_table(tables)
    with np.load(arrays, allow_pickle=False) as content:
        recorded = {name: np.asarray(content[name], dtype=np.float64) for name in content.files}
    nothing = np.zeros((len(SIGNS), 0, 1))
    return {
        kind: Outcome(
            its.drop(columns="test").reset_index(drop=True),
            *(recorded.get(f"{kind}/{name}", nothing) for name in SERIES),
        )
        for kind, its in table.groupby("test", sort=False)
    }
