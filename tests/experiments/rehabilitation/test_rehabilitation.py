"""Lesion, therapy, relearning: courses add up, the robot helps as needed, a kill changes nothing."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.lesions import Lesion, silent_units
from agents.supervised.networks import make_ensemble
from experiments.rehabilitation import command
from experiments.rehabilitation.command import main
from experiments.rehabilitation.config import INTACT, INTACT_PRACTICE, PRESETS, Rehabilitation
from experiments.rehabilitation.courses import (
    PRACTISED_REACHES,
    UNPRACTISED,
    UNPRACTISED_REACHES,
    course_probes,
    learner_of,
    networks_file,
    probes_file,
    start_networks,
)
from experiments.rehabilitation.report import LIMITS, impaired
from experiments.rehabilitation.therapy import (
    ASSISTED,
    AUGMENTED,
    DOUBLE,
    EVERYDAY,
    PRACTICE,
    SPACED,
    THERAPIES,
    Robot,
    course,
    parts_of,
)
from experiments.runs.command_line import Stopped
from experiments.savings.config import SIZE_WEIGHTS
from savings_gym.perturbations.position import AssistiveField, ErrorAugmentation
from savings_gym.task.impairments import Impairments

SMOKE = dataclasses.replace(PRESETS["smoke"], sizes=(32,), therapies=(EVERYDAY, PRACTICE, ASSISTED))


@pytest.mark.parametrize("therapy", THERAPIES)
def test_every_course_has_its_dose_and_as_much_everyday_life(therapy):
    """Everyday life alone has as many updates as practice at once with everyday life after it."""
    blocks = course(therapy, dose=10, everyday=7, sessions=3)
    spent = {kind: sum(block.updates for block in blocks if block.kind == kind) for kind in THERAPIES}
    assert spent.pop(EVERYDAY) == {EVERYDAY: 17}.get(therapy, 7)
    assert sum(spent.values()) == {EVERYDAY: 0, DOUBLE: 20}.get(therapy, 10)
    assert blocks[-1].kind == EVERYDAY
    assert len(blocks) == {EVERYDAY: 1, SPACED: 6}.get(therapy, 2)


def test_parts_are_as_equal_as_can_be():
    assert parts_of(10, 3) == [3, 3, 4] and sum(parts_of(401, 7)) == 401


def test_the_robot_helps_as_much_as_is_needed():
    """Stiffness stays while the error does, follows it from network to network, and fades without it."""
    robot = Robot(ASSISTED, 2, assistance=40.0, forgetting=0.9, augmentation=0.0)
    first = np.array([0.02, 0.04])
    for _ in range(3):
        robot.learn(first)
    assert robot.stiffness == pytest.approx([40.0, 40.0])
    for _ in range(200):
        robot.learn(np.array([0.01, 0.0]))
    assert robot.stiffness == pytest.approx([20.0, 0.0], abs=1e-6)  # half the error; none
    fields = robot.fields()
    assert len(fields) == 16 and fields[0] == AssistiveField(float(robot.stiffness[0]))
    assert fields[8] == AssistiveField(float(robot.stiffness[1]))


def test_other_robots_do_not_learn():
    robot = Robot(AUGMENTED, 2, assistance=40.0, forgetting=0.9, augmentation=15.0)
    robot.learn(np.zeros(2))
    assert robot.fields() == ErrorAugmentation(15.0)
    assert Robot(PRACTICE, 2, 40.0, 0.9, 15.0).fields().is_null


def arguments(config, out):
    return [
        "--preset", "smoke", "--sizes", *map(str, config.sizes), "--therapies", *config.therapies,
        "--out", str(out),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("rehabilitation") / "run"
    assert main(arguments(SMOKE, out)) == 0
    return out


@pytest.mark.slow
def test_one_command_writes_the_page(run):
    page, summary = (run / "README.md").read_text(), json.loads((run / "summary.json").read_text())
    assert summary["complete"] and LIMITS in page and "10 % of their units" in page
    assert "--sizes 32" in page and "--therapies everyday practice assisted" in page
    assert set(summary["networks"]) == {"32 units"} and (run / "rehabilitation.png").is_file()
    lost = silent_units(load_ensemble(networks_file(run, 32, PRACTICE)), Lesion(units=0.1), seed=0)
    weights = load_ensemble(networks_file(run, 32, PRACTICE)).readout_weight
    assert lost.sum(1).tolist() == [3, 3]
    assert (weights.movedim(-1, 1)[lost] == 0.0).all() and (weights.movedim(-1, 1)[~lost] != 0.0).any()


@pytest.mark.slow
def test_all_therapies_begin_alike(run):
    tables = [pd.read_parquet(probes_file(run, 32, name)) for name in SMOKE.therapies]
    first = [
        table[table["update"] <= 0][["network", "reaches", "target", "endpoint_error"]] for table in tables
    ]
    assert len(first[0]) == 2 * 2 * (8 + UNPRACTISED) and all(table.equals(first[0]) for table in first)


@pytest.mark.slow
def test_every_probe_has_practised_and_unpractised_reaches(run):
    table = pd.read_parquet(probes_file(run, 32, PRACTICE))
    counts = table.groupby(["network", "update", "reaches"])["target"].nunique().unstack()
    assert (counts[PRACTISED_REACHES] == 8).all() and (counts[UNPRACTISED_REACHES] == UNPRACTISED).all()


@pytest.mark.slow
def test_intact_networks_take_the_course_without_a_lesion(run):
    """They begin as before the lesion, learn, keep all their units, and so meet the field."""
    table = pd.read_parquet(probes_file(run, 32, INTACT_PRACTICE)).set_index(["update", "network", "reaches"])
    error = table["endpoint_error"]
    assert (error.loc[0].to_numpy() == error.loc[-1].to_numpy()).all()
    assert (error.loc[4].to_numpy() != error.loc[0].to_numpy()).any()
    shipped = load_ensemble(SIZE_WEIGHTS[32], 2)
    config = dataclasses.replace(SMOKE, out=run)
    networks = start_networks(config, SIZE_WEIGHTS[32], 32, INTACT_PRACTICE)
    assert torch.equal(networks.readout_weight, shipped.readout_weight)
    assert not torch.equal(networks.recurrent_weight, shipped.recurrent_weight)
    assert silent_units(networks, Lesion(units=0.1), seed=0).any()  # those that a lesion would take ...
    lost = silent_units(networks, Lesion(units=0.1), seed=0)
    assert (networks.readout_weight.movedim(-1, 1)[lost] != 0.0).any()  # ... still move the arm


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_equal_results(run, tmp_path, monkeypatch):
    def take_two(config, weights, units, therapy, stopped):
        if therapy == ASSISTED:
            raise Stopped
        return course_probes(config, weights, units, therapy, stopped)

    out = tmp_path / "run"
    monkeypatch.setattr(command, "course_probes", take_two)
    main(arguments(SMOKE, out))
    assert probes_file(out, 32, PRACTICE).is_file() and not (out / "summary.json").exists()
    monkeypatch.undo()
    assert main(arguments(SMOKE, out)) == 0
    tables = sorted(path.relative_to(run) for path in run.rglob("*.parquet"))
    assert len(tables) == 4 + 3 * 2 and all((out / p).read_bytes() == (run / p).read_bytes() for p in tables)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--sizes", "33"], "sizes must be some of 32, 64, 128"),
        (["--therapies", "everyday"], "therapies must contain 'practice'"),
        (["--lesion.units", "0"], "there is no impairment"),
        (["--lesion.units", "1"], "lesion: units"),
        (["--spastic", "quadriceps"], "got 'quadriceps'"),
        (["--spastic", "biceps", "--reflex", "-1"], "spasticity of biceps"),
        (["--signal-noise", "-0.1"], "signal_noise"),
        (["--weak", "quadriceps"], "got 'quadriceps'"),
        (["--weak", "biceps", "--strength", "0"], "strength of biceps"),
        (["--sessions", "9"], "sessions must be at most"),
        (["--relearn", "spaced", "--therapies", "practice"], "relearn names spaced"),
        (["--relearn", "intact-spaced", "--therapies", "practice"], "relearn names spaced"),
    ],
)
def test_bad_input_is_refused_before_any_work(given, words, tmp_path, capsys, caplog):
    try:
        status = main(["--preset", "smoke", *given, "--out", str(tmp_path / "out")])
    except SystemExit as exit_:
        status = exit_.code
    told = " ".join((capsys.readouterr().err + caplog.text).replace("│", " ").split())
    assert status == 2 and words in told
    assert not (tmp_path / "out").exists()


def test_weak_muscles_alone_are_an_impairment():
    config = Rehabilitation(lesion=Lesion(), weak=("biceps",), strength=0.4)
    assert dict(config.arm().strength) == {"biceps": 0.4}


def test_every_impairment_is_on_the_page():
    whole = Rehabilitation(
        weak=("biceps",), strength=0.4, spastic=("deltoid", "biceps"), reflex=2.0, signal_noise=0.1
    )
    assert impaired(whole) == (
        "Networks that reach well lose 10 % of their units and 60 % of the force of biceps and get a stretch "
        "reflex in deltoid, biceps (a gain of 2) and noise of 10 % of every excitation, for good."
    )


def test_impaired_arms_come_with_the_lesion_and_stay(tmp_path):
    config = Rehabilitation(
        out=tmp_path, lesion=Lesion(), spastic=("biceps",), reflex=2.0, signal_noise=0.1, networks=2, dose=1,
        everyday=1, sessions=1,
    )  # fmt: skip
    ensemble = make_ensemble("gru", 2, 8, seed=0)
    intact, trained, later = (
        learner_of(config, ensemble, name).arm for name in (INTACT, INTACT_PRACTICE, PRACTICE)
    )
    assert not intact.impairments and not trained.impairments
    assert later.impairments == Impairments(0.1, (("biceps", 2.0),))
    table = course_probes(config, SIZE_WEIGHTS[32], 32, PRACTICE)
    assert np.isfinite(table["endpoint_error"]).all()
