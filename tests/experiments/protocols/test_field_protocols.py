"""Protocols of motor learning: shams lack A alone, planted effects are found, stopped runs go on."""

import dataclasses
import json

import pandas as pd
import pytest

from agents.supervised.course import ONLY_MEASURES, pretrained_learner, take_course
from experiments.protocols import command
from experiments.protocols.command import main
from experiments.protocols.config import COURSES, PRESETS, Protocols
from experiments.protocols.courses import course_file, probes_of
from experiments.protocols.published import PEOPLE
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


@pytest.mark.parametrize("sham", [False, True])
@pytest.mark.parametrize("course", COURSES)
def test_half_of_every_batch_is_without_a_go_cue(course, sham):
    """As the page says, also of the single trials, which are none of a person."""
    learned = [p for p in Protocols().schedule(course, sham).phases if not ONLY_MEASURES.fullmatch(p.name)]
    assert learned and all(phase.catch_fraction is None for phase in learned)


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
        (["--angle-deg", "60"], "--angle-deg 60.0 changes nothing without --perturbation rotation"),
        (["--perturbation", "rotation", "--b", "4"], "--b 4.0 changes nothing without --perturbation curl"),
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
