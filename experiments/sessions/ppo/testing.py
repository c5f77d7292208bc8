"""Tests of agents with fixed weights, in the sessions in which the networks of `experiments.sessions` are."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.runs.command_line import Stopped
from experiments.sessions.ppo.config import USUAL, SessionsPpo
from experiments.sessions.ppo.training import agent_file, load_weights, session_model
from experiments.sessions.protocol import SAVINGS, SHAM, UNTRAINED
from experiments.sessions.testing import SIGNS, Outcome, preparation_steps, session_key, with_sign
from savings_gym import run_sessions
from savings_gym.arrays import Array, Floats
from savings_gym.files import verified, write_atomically
from savings_gym.probes.probe import ProbeResult
from savings_gym.sb3.training_env import AgentView, TrainingEnv
from savings_gym.task.session import Session
from savings_gym.task.settings import N_TARGETS

log = logging.getLogger(__name__)
RECORDED = (SAVINGS, SHAM)  # tests of which activity is kept
SERIES = ("prepared", "force")  # of an `Outcome`


def test(
    config: SessionsPpo, number: int, regime: str, stopped: Callable[[], bool] = lambda: False
) -> dict[str, Outcome]:
    """Take an agent through all tests, or read what it did in those that were kept; return that by kind.

    A session and its sham have the same targets and noise, whatever the agent.

    Raises:
        Stopped: If asked to stop; the kind of test that was going on begins anew.
        FileNotFoundError, ValueError: If a file is missing, was changed, or is that of another agent.
    """
    tester, outcomes = None, {}
    for kind, session in config.test_sessions().items():
        file = config.out / "tests" / f"{_slug(f'{number} {regime} {kind}')}.npz"
        if not verified(file).is_file():
            log.info("agent %d, %s: test %s", number, regime, kind)
            tester = tester or _Tester(config, number, regime, stopped)
            _write(file, tester.go_through(kind, session))
        outcomes[kind] = _read(file)
    return outcomes


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """Return the outcome of several agents, as that of so many networks."""
    return Outcome(
        pd.concat([each.table for each in outcomes], ignore_index=True),
        *(np.concatenate([getattr(each, name) for each in outcomes], axis=2) for name in SERIES),
    )


class _Tester:
    """An agent with fixed weights.

    Args:
        config: The arguments.
        number: Of the agent.
        regime: What it was trained in.
        stopped: Called before every session; True raises `Stopped`.
    """

    def __init__(self, config: SessionsPpo, number: int, regime: str, stopped: Callable[[], bool]) -> None:
        self._config, self._number, self._stopped = config, number, stopped
        self._model = session_model(config, number, USUAL if regime == UNTRAINED else regime)
        load_weights(self._model, agent_file(config.out, number, regime))
        env = self._model.get_env()
        assert env is not None
        training = TrainingEnv.of(env)
        self._settings, self._view = training.settings, AgentView(training.wrappers)

    def go_through(self, kind: str, session: Session) -> Outcome:
        """Return what the agent does in all sessions of a kind of test."""
        config = self._config
        tables, recorded = [], []
        for sign in SIGNS:
            for number in range(config.tests):
                if self._stopped():
                    raise Stopped
                key = np.random.SeedSequence(session_key(config, kind, number))
                seed = int(key.generate_state(1)[0])
                trials: list[ProbeResult] = []
                columns = run_sessions(
                    self._model, self._settings, with_sign(session, sign), 1, seed, network=self._number,
                    view=self._view, on_trial=trials.append if kind in RECORDED else None,
                )  # fmt: skip
                table = pd.DataFrame(columns)
                tables.append(table.assign(sign=np.int8(sign), session=np.int32(number)))
                recorded.append(_recorded(config, table, trials))
        shape = (len(SIGNS), config.tests, 1)
        prepared, force = (
            np.stack(values).reshape(*shape, *values[0].shape) for values in zip(*recorded, strict=True)
        )
        return Outcome(pd.concat(tables, ignore_index=True), prepared, force)


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


def _slug(name: str) -> str:
    return name.replace(",", "").replace(" ", "_")


def _write(file: Path, outcome: Outcome) -> None:
    """Write an outcome, its table as one array per column."""
    columns = {name: values.to_numpy() for name, values in outcome.table.items()}
    arrays = {f"table/{name}": _storable(values) for name, values in columns.items()}
    arrays |= {name: getattr(outcome, name).astype(np.float32) for name in SERIES}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(file, buffer.getvalue())


def _storable(values: Array) -> Array:
    return values.astype(str) if values.dtype == object else values


def _read(file: Path) -> Outcome:
    with np.load(file, allow_pickle=False) as content:
        columns = {name: content[name] for name in content.files if name.startswith("table/")}
        series = [np.asarray(content[name], dtype=np.float64) for name in SERIES]
    table = {
        name.removeprefix("table/"): values.astype(object) if values.dtype.kind == "U" else values
        for name, values in columns.items()
    }
    return Outcome(pd.DataFrame(table), *series)
