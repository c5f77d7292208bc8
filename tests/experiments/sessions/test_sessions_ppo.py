"""Recurrent PPO in sessions: resumable, tested like the networks, and paired with its shams."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sb3_contrib")

from experiments.runs.command_line import Stopped  # noqa: E402
from experiments.sessions.measures import ADAPTED, ERROR, MEASURES, SPEED  # noqa: E402
from experiments.sessions.ppo import command, training  # noqa: E402
from experiments.sessions.ppo.config import (  # noqa: E402
    PRESETS,
    STRAIGHT,
    TRIALS,
    USUAL,
    SessionsPpo,
    identity,
)
from experiments.sessions.ppo.report import page  # noqa: E402
from experiments.sessions.ppo.testing import test as go_through_tests  # noqa: E402
from experiments.sessions.ppo.testing import together  # noqa: E402
from experiments.sessions.protocol import INTERFERENCE, SAVINGS, SHAM, TESTS, UNTRAINED  # noqa: E402
from experiments.study import Quantity  # noqa: E402
from savings_gym.task.settings import TRIAL_STEPS  # noqa: E402

SMOKE = PRESETS["smoke"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("sessions-ppo") / "run"
    assert command.main(["--preset", "smoke", "--out", str(out)]) == 0
    return out


def test_the_run_is_whole_and_shown_again_without_work(run):
    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"] and set(summary["measures"]) == {UNTRAINED, USUAL}
    assert set(summary["measures"][USUAL]) >= {*MEASURES, ERROR, SPEED}
    files = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    assert {"README.md", "curves.npz", "probes.parquet", "sessions.png"} <= set(files)
    assert not [name for name in files if name.startswith("state")]
    assert command.main(["--preset", "smoke", "--out", str(run)]) == 0
    assert files == {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}


def test_sessions_and_shams_are_alike_until_the_field(run):
    table = pd.read_parquet(run / "probes.parquet")
    assert set(table.test) == set(TESTS) and set(table.network) == {0, 1}
    keys = ["trained_in", "sign", "session", "session_trial", "network", "target"]
    main, sham = (
        table[table.test == kind].set_index(keys)["lateral_deviation"].unstack("session_trial").to_numpy()
        for kind in (SAVINGS, SHAM)
    )
    assert len(main) == 2 * 2 * 2 * 2 * 8  # regimes, signs, sessions, agents, targets
    assert (main[:, 0] == sham[:, 0]).all() and (main[:, 1] != sham[:, 1]).all()


def test_activity_is_kept_by_target_for_every_agent(run):
    config = dataclasses.replace(SMOKE, out=run)
    agents = [go_through_tests(config, number, USUAL) for number in range(2)]
    both = together([agent[SAVINGS] for agent in agents])
    assert both.prepared.shape == (2, 2, 2, 4, 8, 128) and both.force.shape == (2, 2, 2, 4, 8, 2)
    assert np.array_equal(both.prepared[:, :, 1], agents[1][SAVINGS].prepared[:, :, 0])
    assert agents[0][INTERFERENCE].prepared.size == 0
    # memory goes on: activity before the second go cue is not that before the first
    assert np.abs(np.diff(both.prepared, axis=3)).max(axis=-1).min() > 0.0


def test_the_first_trial_is_that_of_the_agent_without_memory(run):
    """In the first trial nothing can be remembered, and the sign of a later field is unknown."""
    table = pd.read_parquet(run / "probes.parquet").query("test == 'savings' and session_trial == 0")
    keys = ["trained_in", "session", "network", "target"]
    by_sign = [its.set_index(keys).sort_index()["lateral_deviation"] for _, its in table.groupby("sign")]
    assert by_sign[0].equals(by_sign[1])


def test_a_training_that_was_stopped_ends_like_one_that_was_not(run, tmp_path):
    config = dataclasses.replace(SMOKE, out=tmp_path)
    calls = []

    def stopped() -> bool:
        calls.append(None)
        return len(calls) == 3  # before the second rollout in sessions

    with pytest.raises(Stopped):
        training.train(config, 1, stopped)
    assert training.agent_file(tmp_path, 1, UNTRAINED).is_file()
    assert (tmp_path / f"state_1_{USUAL}.pkl").is_file()
    training.train(config, 1)
    for regime in (UNTRAINED, USUAL):
        name = training.agent_file(tmp_path, 1, regime).name
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes()
    assert not list(tmp_path.glob("state*"))


def test_copies_start_from_one_agent_and_learn_with_other_rewards(run, tmp_path):
    config = dataclasses.replace(SMOKE, out=run, regimes=(USUAL, STRAIGHT))
    models = [training.session_model(config, 0, regime) for regime in config.regimes]
    for model in models:
        training.load_weights(model, training.agent_file(run, 0, UNTRAINED))
        assert model.n_steps == TRIALS * TRIAL_STEPS
    first, second = (model.policy.state_dict() for model in models)
    assert all(bool((first[name] == second[name]).all()) for name in first)
    weights = [model.get_env().get_attr("settings")[0].reward_weights.lateral for model in models]
    assert weights == [0.0, config.straightness]
    with pytest.raises(FileNotFoundError, match="agent_5_untrained"):
        training.load_weights(models[0], training.agent_file(run, 5, UNTRAINED))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"session_trials": 20}, "session_trials must be a multiple of the 8 trials"),
        ({"reaching_trials": 100}, "reaching_trials must be a multiple of the 64 trials"),
        ({"cell": "rnn"}, "cell"),
        ({"regimes": (USUAL, USUAL)}, "regimes must be one or more of usual, straight"),
        ({"regimes": ()}, "regimes must be one or more of usual, straight"),
        ({"minibatch": 2}, "minibatch"),
        ({"rate": 0.0}, "rate must be above 0"),
        ({"networks": 1}, "networks"),
        ({"tests": 1}, "tests"),
        ({"straightness": -1.0}, "straightness"),
    ],
)
def test_bad_arguments_are_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMOKE, **changes)


def test_another_agent_is_another_run():
    assert identity(SMOKE) != identity(dataclasses.replace(SMOKE, cell="lstm"))
    assert identity(SMOKE) == identity(dataclasses.replace(SMOKE, keep_every=1, out=Path("elsewhere")))


def test_the_page_tells_which_agents_adapt():
    config = SessionsPpo(networks=3, washouts=())
    nothing = Quantity("x", 0.0, (-1.0, 1.0), 3, "mm", p=1.0, values=(-1.0, 0.0, 1.0), p_holm=1.0)
    its = {name: dataclasses.replace(nothing, name=name) for name in (ERROR, SPEED, *MEASURES)}
    text = page({UNTRAINED: its, USUAL: its}, "python -m x", config)
    assert "no kind of agent is shown to adapt" in text and "network" not in text.split("## Training")[
        0
    ].split("Answer")[1].replace("Networks that learned", "")
    adapted = dataclasses.replace(
        its[ADAPTED], value=5.0, ci=(4.0, 6.0), values=(4.0, 5.0, 6.0), p=0.01, p_holm=0.01
    )
    first = dataclasses.replace(nothing, value=10.0, ci=(9.0, 11.0), values=(9.0, 10.0, 11.0))
    more = its | {ADAPTED: adapted, "deviation, first trial of FF1": first}
    assert "*sessions* removes 50" in page({UNTRAINED: its, USUAL: more}, "python -m x", config)
