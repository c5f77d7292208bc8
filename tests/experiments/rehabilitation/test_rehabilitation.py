"""Lesion, therapy, relearning: courses add up, the robot helps as needed, planted effects are found."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from planted_probes import TRUE_START, plant

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.lesions import Lesion, silent_units
from agents.supervised.networks import make_ensemble
from experiments.rehabilitation import command
from experiments.rehabilitation.command import main
from experiments.rehabilitation.config import INTACT, PRESETS, Rehabilitation
from experiments.rehabilitation.courses import BEFORE, course_probes, learner_of, networks_file, probes_file
from experiments.rehabilitation.measures import (
    BEYOND,
    DEFICIT,
    LEFT,
    OVER_INTACT,
    OVER_PRACTICE,
    PRIOR,
    SAVED,
    after,
    course_values,
    quantities,
    relearning_values,
    trends,
)
from experiments.rehabilitation.report import LIMITS, impaired, page
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
    blocks = course(therapy, dose=10, everyday=7, sessions=3)
    spent = {kind: sum(block.updates for block in blocks if block.kind == kind) for kind in THERAPIES}
    assert spent.pop(EVERYDAY) == 7
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


def probes(ends, deficit=0.05, before=0.002, networks=6):
    """Probes of a course that begins with a deficit and ends with errors of its own [m]."""
    rng = np.random.default_rng(0)
    rows = [
        (network, update, target, error + 1e-4 * rng.standard_normal())
        for network in range(networks)
        for update, error in ((BEFORE, before), (0, before + deficit), (10, ends))
        for target in range(8)
    ]
    return pd.DataFrame(rows, columns=["network", "update", "target", "endpoint_error"])


def test_planted_deficit_and_benefits_are_found():
    values = course_values({EVERYDAY: probes(0.03), PRACTICE: probes(0.01), SPACED: probes(0.008)})
    numbers = quantities({32: values}, seed=0)["32 units"]
    expected = {
        PRIOR: 2.0, DEFICIT: 50.0, after(LEFT, EVERYDAY): 30.0, after(BEYOND, PRACTICE): 20.0,
        after(BEYOND, SPACED): 22.0, after(OVER_PRACTICE, SPACED): 2.0,
    }  # fmt: skip
    assert {name: numbers[name].value for name in expected} == pytest.approx(expected, abs=0.2)
    assert after(OVER_PRACTICE, PRACTICE) not in numbers and after(BEYOND, EVERYDAY) not in numbers
    assert numbers[DEFICIT].p_holm < 1e-6 and numbers[after(LEFT, EVERYDAY)].p is None
    assert numbers[PRIOR].p is None
    sizes = trends({32: values, 64: values})
    assert [entry.name for entry in sizes][:2] == [PRIOR, DEFICIT] and sizes[0].value == pytest.approx(0.0)


def test_the_page_says_whether_spacing_is_shown():
    """At the size at which it is planted, and at no other."""
    ends = {32: 0.01, 64: 0.004}  # of spaced practice [m]
    config = Rehabilitation(sizes=(32, 64), therapies=(EVERYDAY, PRACTICE, SPACED))
    values = {
        units: course_values({EVERYDAY: probes(0.03), PRACTICE: probes(0.01), SPACED: probes(end)})
        for units, end in ends.items()
    }
    text = page(quantities(values, seed=0), trends(values), config, "a command")
    assert "smaller errors than the same dose at once is shown at 64 units" in text and PRIOR in text
    alike = {units: values[32] for units in ends}
    text = page(quantities(alike, seed=0), trends(alike), config, "a command")
    assert "smaller errors than the same dose at once is not shown at any size" in text


def test_planted_savings_after_a_course_are_found():
    def pair(saved):
        return tuple(
            pd.DataFrame(plant(networks=6, noise=1e-5, start=TRUE_START | {"FF2": ff2}))
            for ff2 in (0.033, 0.033 + saved)
        )

    values = relearning_values({INTACT: pair(0.001), PRACTICE: pair(0.003)})
    assert 1e3 * values[after(SAVED, INTACT)].mean() == pytest.approx(1.0, abs=0.05)
    assert 1e3 * values[after(OVER_INTACT, PRACTICE)].mean() == pytest.approx(2.0, abs=0.1)


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
    assert set(summary["measures"]) == {"32 units"} and (run / "rehabilitation.png").is_file()
    lost = silent_units(load_ensemble(networks_file(run, 32, PRACTICE)), Lesion(units=0.1), seed=0)
    weights = load_ensemble(networks_file(run, 32, PRACTICE)).readout_weight
    assert lost.sum(1).tolist() == [3, 3]
    assert (weights.movedim(-1, 1)[lost] == 0.0).all() and (weights.movedim(-1, 1)[~lost] != 0.0).any()


@pytest.mark.slow
def test_all_therapies_begin_alike(run):
    tables = [pd.read_parquet(probes_file(run, 32, name)) for name in SMOKE.therapies]
    first = [table[table["update"] <= 0][["network", "target", "endpoint_error"]] for table in tables]
    assert len(first[0]) == 2 * 2 * 8 and all(table.equals(first[0]) for table in first)


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
    assert len(tables) == 3 + 2 * 2 and all((out / p).read_bytes() == (run / p).read_bytes() for p in tables)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--sizes", "33"], "sizes must be some of 32, 64, 128"),
        (["--therapies", "practice"], "therapies must contain 'everyday'"),
        (["--lesion.units", "0"], "there is no impairment"),
        (["--lesion.units", "1"], "lesion: units"),
        (["--spastic", "quadriceps"], "got 'quadriceps'"),
        (["--spastic", "biceps", "--reflex", "-1"], "spasticity of biceps"),
        (["--signal-noise", "-0.1"], "signal_noise"),
        (["--weak", "quadriceps"], "got 'quadriceps'"),
        (["--weak", "biceps", "--strength", "0"], "strength of biceps"),
        (["--sessions", "9"], "sessions must be at most"),
        (["--relearn", "spaced", "--therapies", "everyday"], "relearn names spaced"),
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
    intact, later = (learner_of(config, ensemble, name).arm for name in (INTACT, PRACTICE))
    assert not intact.impairments
    assert later.impairments == Impairments(0.1, (("biceps", 2.0),))
    table = course_probes(config, SIZE_WEIGHTS[32], 32, PRACTICE)
    assert np.isfinite(table["endpoint_error"]).all()
