"""Protocols of motor learning: shams lack A alone, planted effects are found, stopped runs go on."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from agents.supervised.course import pretrained_learner, take_course
from experiments.protocols import command
from experiments.protocols.command import main
from experiments.protocols.config import COURSES, PRESETS, Protocols
from experiments.protocols.courses import course_file, probes_of
from experiments.protocols.measures import (
    AFTER,
    AFTER_PER,
    BETTER,
    BETTER_START,
    END_OF_B,
    END_OF_CLAMP,
    ENDED,
    ENDED_ALONE,
    FALLING,
    GAINED,
    KEPT,
    LARGEST,
    LEARNED,
    LESS_LEARNED,
    LESS_OF_B,
    MORE_AFTER,
    MORE_AFTER_PER,
    MORE_KEPT,
    RISE,
    WASHED,
    WORSE_START,
    Pair,
    at_angle,
    course_values,
    of_size,
    quantities,
    read,
)  # fmt: skip
from experiments.protocols.published import PEOPLE
from experiments.protocols.reading import READING, constant, direction
from experiments.protocols.report import MEANING, TITLE
from experiments.runs.command_line import Stopped
from experiments.savings.phases import PERTURBATIONS
from savings_gym import Phase, Schedule
from savings_gym.perturbations.fields import ChannelField, CurlField, NullField
from savings_gym.perturbations.visual import VisualClamp
from savings_gym.task.protocols import PROTOCOLS

SMOKE = PRESETS["smoke"]


def test_every_protocol_by_name_is_a_course_but_the_main_experiment():
    assert set(COURSES) == set(PROTOCOLS) - {"savings"}
    assert set(MEANING) == set(COURSES) and set(PEOPLE) == set(PERTURBATIONS)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_every_protocol_has_findings_in_people_with_their_source(perturbation):
    found = PEOPLE[perturbation]
    assert set(found) == set(COURSES) and all("doi 10." in text for text in found.values())
    other = PEOPLE[next(name for name in PERTURBATIONS if name != perturbation)]
    assert all(text != other[course] for course, text in found.items())


@pytest.mark.parametrize("course", COURSES)
def test_a_sham_has_the_same_phases_without_a(course):
    config = Protocols()
    run, sham = (config.schedule(course, which).phases for which in (False, True))
    assert [(p.name, p.trials, p.targets) for p in run] == [(p.name, p.trials, p.targets) for p in sham]
    changed = {
        ours.name.partition(" ")[0]
        for ours, other in zip(run, sham, strict=True)
        if ours.field != other.field
    }
    learned_first = {"A", "ramp", "FF1", "refresh"} | ({"B"} if course == "spontaneous-recovery" else set())
    assert changed <= learned_first and changed
    assert all(
        other.field.is_null for ours, other in zip(run, sham, strict=True) if ours.field != other.field
    )


def test_gradual_learning_lasts_as_long_as_learning_at_once():
    config = Protocols(adaptation=37)
    assert config.schedule("abrupt").trials == config.schedule("gradual").trials


@pytest.mark.parametrize(
    ("perturbation", "clamp"), [("curl", ChannelField()), ("rotation", VisualClamp(scored="cursor"))]
)
def test_the_clamp_is_that_of_the_perturbation(perturbation, clamp):
    schedule = Protocols(perturbation=perturbation).schedule("error-clamps")
    assert schedule.phases[-1].field == clamp


@pytest.mark.parametrize("field", [NullField(), CurlField(8.0, onset="cue"), CurlField(2.0, onset="cue")])
def test_gradients_are_longer_than_the_clip_but_in_single_updates(field):
    """So every update is a step of one length; the page says so."""
    config = Protocols()
    for course, clipped in (("abrupt", True), ("single-trials", False)):
        networks = pretrained_learner(config.check(), 4, config.learning(course))
        schedule = Schedule((Phase("A", field, 2),))
        take_course(networks, schedule, delays=config.delays, training_go=config.training_go)
        assert bool((networks.norms > networks.learning.clip).all()) == clipped


def test_hardly_any_compensation_has_no_share_that_is_kept():
    learned, nothing = (planted({"A": ([0.0], [end]), "clamp": ([0.0], [end])}) for end in (0.6, 0.02))
    rest = planted({"A": ([0.0], [0.0]), "clamp": ([0.0], [0.0])})
    assert course_values({"error-clamps": Pair(learned, rest)}, Protocols())["error-clamps"][KEPT].shape == (
        6,
    )
    assert course_values({"error-clamps": Pair(nothing, rest)}, Protocols())["error-clamps"] == {}


def planted(phases, networks=6):
    """A course: phase to (deviations [m], adaptations, each per probe or (probes, 8)), plus small noise."""
    rng, rows = np.random.default_rng(0), []
    for phase, (deviations, adaptations) in phases.items():
        its = [
            np.broadcast_to(np.asarray(v, float).reshape(len(v), -1), (len(v), 8))
            for v in (deviations, adaptations)
        ]
        for network in range(networks):
            for update, (deviation, adaptation) in enumerate(zip(*its, strict=True)):
                for target in range(8):
                    small = 1e-6 * rng.standard_normal(2)
                    rows.append(
                        (
                            network,
                            phase,
                            update,
                            target,
                            deviation[target] + small[0],
                            adaptation[target] + small[1],
                        )
                    )
    names = ["network", "phase", "update", "target", "lateral_deviation", "adaptation"]
    return read(pd.DataFrame(rows, columns=names))


def test_planted_effects_are_found_beyond_the_sham():
    """Every number of the page follows from what was planted; signs are those of A."""
    nothing = ([0.0], [0.05])
    pairs = {
        "abrupt": Pair(
            planted(
                {
                    "baseline": nothing,
                    "A": ([-0.03, -0.01], [0.05, 0.65]),
                    "washout": ([0.02, 0.0], [0.65, 0.2]),
                }
            ),
            planted(
                {
                    "baseline": nothing,
                    "A": ([0.0, 0.001], [0.05, 0.05]),
                    "washout": ([0.001, 0.0], [0.05, 0.05]),
                }
            ),
        ),
        "gradual": Pair(
            planted(
                {
                    "baseline": nothing,
                    "ramp": ([0.0, -0.012], [0.05, 0.5]),
                    "A": ([-0.013, -0.012], [0.5, 0.6]),
                    "washout": ([0.024, 0.0], [0.6, 0.1]),
                }
            ),
            planted(
                {
                    "baseline": nothing,
                    "ramp": ([0.0, 0.0], [0.05, 0.05]),
                    "A": ([0.0, 0.0], [0.05, 0.05]),
                    "washout": ([0.001, 0.0], [0.05, 0.05]),
                }
            ),
        ),
        "error-clamps": Pair(
            planted(
                {"baseline": nothing, "A": ([-0.03, -0.01], [0.05, 0.65]), "clamp": ([0.0, 0.0], [0.65, 0.5])}
            ),
            planted(
                {"baseline": nothing, "A": ([0.0, 0.0], [0.05, 0.05]), "clamp": ([0.0, 0.0], [0.05, 0.05])}
            ),
        ),
        "interference": Pair(
            planted(
                {
                    "NF1": nothing,
                    "FF1": ([-0.03, -0.01], [0, 1]),
                    "B": ([0.04, 0.02], [0.6, -0.3]),
                    "FF2": ([-0.035, -0.02], [-0.3, 0.2]),
                }
            ),
            planted(
                {
                    "NF1": nothing,
                    "FF1": ([0.0, 0.0], [0, 0]),
                    "B": ([0.03, 0.01], [0, -0.7]),
                    "FF2": ([-0.039, -0.028], [-0.7, 0]),
                }
            ),
        ),
        "spontaneous-recovery": Pair(
            planted(
                {
                    "baseline": nothing,
                    "A": ([-0.03], [0.6]),
                    "B": ([0.03], [0.05]),
                    "clamp": ([0, 0], [0.05, 0.15]),
                }
            ),
            planted(
                {
                    "baseline": nothing,
                    "A": ([0.0], [0.05]),
                    "B": ([0.0], [0.05]),
                    "clamp": ([0, 0], [0.05, 0.04]),
                }
            ),
        ),
    }
    numbers = quantities(course_values(pairs, Protocols()), seed=0)
    expected = {
        ("abrupt", LARGEST): 30.0, ("abrupt", LEARNED): 60.0, ("abrupt", AFTER): 19.0,
        ("gradual", LARGEST): 13.0, ("gradual", AFTER): 23.0, ("gradual", MORE_AFTER): 4.0,
        ("abrupt", AFTER_PER): 19.0 / 0.6, ("gradual", AFTER_PER): 23.0 / 0.55,
        ("gradual", LESS_LEARNED): -5.0, ("gradual", MORE_AFTER_PER): 23.0 / 0.55 - 19.0 / 0.6,
        ("interference", ENDED): -30.0, ("interference", ENDED_ALONE): -70.0,
        ("interference", LESS_OF_B): 40.0, ("interference", GAINED): -20.0,
        ("error-clamps", KEPT): 75.0, ("error-clamps", WASHED): 25.0, ("error-clamps", MORE_KEPT): 50.0,
        ("interference", WORSE_START): 5.0, ("interference", BETTER_START): 4.0,
        ("interference", BETTER): 6.0,
        ("spontaneous-recovery", END_OF_B): 0.0, ("spontaneous-recovery", RISE): 11.0,
        ("spontaneous-recovery", END_OF_CLAMP): 11.0,
    }  # fmt: skip
    found = {key: numbers[key[0]][key[1]].value for key in expected}
    assert found == pytest.approx(expected, abs=0.01)
    assert numbers["abrupt"][LARGEST].p is None and numbers["abrupt"][AFTER].p_holm < 1e-6
    assert numbers["interference"][ENDED].p is None and numbers["gradual"][AFTER_PER].unit == "mm"
    text = READING["gradual"](numbers["gradual"], Protocols())
    assert "learn less of A" in text and "as such are larger; per full compensation they are larger" in text
    text = READING["interference"](numbers["interference"], Protocols())
    assert "-30 % after A and B, and -70 % after B alone" in text and "does not show a memory of A" in text
    assert "no faster relearning is shown" in text and "B that is still in force" in text


def test_single_updates_are_sorted_by_size_and_drift_is_taken_off():
    sizes, drift = (2.0, 0.5), 0.01
    config = Protocols(sizes=sizes, rounds=2)

    def course(taught):
        phases = {"baseline": ([0.0], [0.0])}
        for k, size in enumerate(sizes * 2, 1):
            phases |= {
                f"before {k}": ([0.0], [0.1]),
                f"after {k}": ([0.0], [0.1 + taught * size**0.5 + drift]),
            }
        return planted(phases)

    values = course_values({"single-trials": Pair(course(0.04), course(0.0))}, config)["single-trials"]
    assert values[of_size(2.0)] == pytest.approx(np.full(6, 0.04 * 2.0**0.5), abs=1e-5)
    assert values[of_size(0.5)] == pytest.approx(np.full(6, 0.04 * 0.5**0.5), abs=1e-5)
    more = 0.04 * (0.5**-0.5 - 2.0**-0.5)
    assert values[FALLING] == pytest.approx(np.full(6, more), abs=1e-5)
    falling = quantities({"single-trials": values}, seed=0)["single-trials"][FALLING]
    assert falling.unit == "% of A per unit of size" and falling.value == pytest.approx(100 * more, abs=1e-3)


def test_generalisation_is_by_the_angle_from_the_trained_target():
    by_target = 0.6 * np.array([1.0, 0.6, 0.2, 0.1, 0.3, 0.0, 0.0, 0.4])
    rest = np.zeros(8)
    pair = Pair(
        *(
            planted({"probe 1": ([rest], [its]), "probe 2": ([rest], [its])})
            for its in (by_target + 0.05, rest + 0.05)
        )
    )
    values = course_values({"generalisation": pair}, Protocols(rounds=2))["generalisation"]
    found = {angle: values[at_angle(angle)].mean() for angle in (0, 45, 90, 135, 180, -135, -90, -45)}
    assert list(found.values()) == pytest.approx(by_target.tolist(), abs=1e-5)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_a_constant_vector_makes_up_for_all_at_the_trained_target_and_adds_to_a_behind_it(perturbation):
    config = Protocols(perturbation=perturbation)
    found = [constant(config, angle) for angle in (0.0, 45.0, -45.0, 135.0, -135.0, 180.0)]
    assert found[0] == pytest.approx(1.0) and min(found[1:3]) > 0.0 > max(found[3:])
    assert constant(config, 180.0) == pytest.approx(constant(config, -180.0))
    turned = dataclasses.replace(config, b=-config.b, angle_deg=-config.angle_deg)
    assert constant(turned, -45.0) == pytest.approx(found[1])  # the mirror image
    small = dataclasses.replace(config, angle_deg=0.01)
    for angle in (30.0, 90.0, -120.0):
        assert constant(small, angle) == pytest.approx(np.cos(np.deg2rad(angle)), abs=1e-3)


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_the_text_names_what_generalisation_is_nearest_to(perturbation):
    config = Protocols(perturbation=perturbation, rounds=1)
    rest = np.zeros(8)

    def text(by_target):
        pair = Pair(*(planted({"probe 1": ([rest], [its])}) for its in (by_target, rest)))
        numbers = quantities(course_values({"generalisation": pair}, config), seed=0)["generalisation"]
        return READING["generalisation"](numbers, config), numbers

    vector = np.array([constant(config, 45.0 * target) for target in range(8)])
    said, numbers = text(vector)
    assert "nearest to a constant" in said and "negative at" in said and "180 degrees: there" in said
    assert direction(numbers, at_angle(180.0)) == -1 and direction(numbers, at_angle(0.0)) == 1
    said, _ = text(np.eye(8)[0])
    assert "nearest to A in the trained direction alone" in said and "negative at" not in said
    said, _ = text(np.ones(8))
    assert "nearest to A in every direction" in said and "negative at" not in said


def arguments(out, *more):
    return ["--preset", "smoke", *more, "--out", str(out)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("protocols") / "run"
    assert main(arguments(out)) == 0
    return out


def test_one_command_writes_the_page(run):
    page, summary = (run / "README.md").read_text(), json.loads((run / "summary.json").read_text())
    assert summary["complete"] and summary[
        "command"
    ] == "python -m experiments.protocols --preset smoke --out " + str(run)
    assert tuple(summary["measures"]) == COURSES and all(text in page for text in PEOPLE["curl"].values())
    assert (run / "protocols.png").is_file() and page.startswith(f"# {TITLE}: curl field\n")


def test_courses_begin_alike_and_shams_differ_from_a_on(run):
    first = [
        pd.read_parquet(course_file(run, course, sham)).iloc[:16, 5:]
        for course in COURSES
        for sham in (False, True)
    ]
    assert all(rows.equals(first[0]) for rows in first)
    ours, sham = (pd.read_parquet(course_file(run, "abrupt", which)) for which in (False, True))
    last = [table[table["phase"] == "A"].iloc[-16:]["adaptation"].to_numpy() for table in (ours, sham)]
    assert (last[0] != last[1]).all()


def test_a_rotation_goes_the_same_way(tmp_path):
    out = tmp_path / "run"
    assert main(arguments(out, "--perturbation", "rotation", "--only", "abrupt", "error-clamps")) == 0
    page = (out / "README.md").read_text()
    assert "a rotation of the cursor by 30 degrees" in page and page.startswith(f"# {TITLE}: rotation\n")
    for course in ("abrupt", "error-clamps"):
        assert PEOPLE["rotation"][course] in page and PEOPLE["curl"][course] not in page


def test_an_interrupted_run_goes_on_with_equal_results(run, tmp_path, monkeypatch):
    def take_some(config, weights, course, sham, stopped):
        if course == "generalisation":
            raise Stopped
        return probes_of(config, weights, course, sham, stopped)

    out = tmp_path / "run"
    monkeypatch.setattr(command, "probes_of", take_some)
    main(arguments(out))
    assert course_file(out, "abrupt", True).is_file() and not (out / "summary.json").exists()
    monkeypatch.undo()
    assert main(arguments(out)) == 0
    tables = sorted(path.name for path in run.glob("*.parquet"))
    assert len(tables) == 2 * len(COURSES)
    assert all((out / name).read_bytes() == (run / name).read_bytes() for name in tables)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--only", "savings"], "'savings'"),
        (["--only", "abrupt", "abrupt"], "different protocols"),
        (["--units", "33"], "units must be one of (32, 64, 128), got 33"),
        (["--b", "0"], "b must not be 0"),
        (["--perturbation", "rotation", "--angle-deg", "0"], "angle_deg must not be 0"),
        (["--sizes", "1"], "two or more different numbers"),
        (["--sizes", "1", "0"], "sizes must be"),
        (["--reversal", "0"], "reversal must be"),
        (["--adaptation", "2"], "adaptation must be a whole number of at least 3"),
        (["--networks", "1"], "networks must be"),
    ],
)
def test_bad_input_is_refused_before_any_work(given, words, tmp_path, capsys, caplog):
    try:
        status = main(arguments(tmp_path / "out", *given))
    except SystemExit as exit_:
        status = exit_.code
    told = " ".join((capsys.readouterr().err + caplog.text).replace("│", " ").split())
    assert status == 2 and words in told
    assert not (tmp_path / "out").exists()


def test_the_fields_of_the_arguments_are_used():
    config = dataclasses.replace(Protocols(), b=-5.0)
    assert config.schedule("abrupt").phases[1].field == CurlField(-5.0, onset="cue")
