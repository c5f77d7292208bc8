"""Trial tables of people: what is read, what is refused, and planted savings that are found again."""

import csv
import io

import numpy as np
import pytest

from experiments.drawing.curves import learning_curves
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.learning import learning_rate
from savings_gym.metrics.savings import savings
from savings_gym.models.fitting import fit
from savings_gym.models.state_space import TwoRate
from savings_gym.trials import read_trials

LENGTHS = {"baseline": 16, "adapt 1": 80, "washout": 80, "adapt 2": 80}
PHASES = {"baseline": "NF1", "adapt 1": "FF1", "washout": "NF2", "adapt 2": "FF2"}
SIZES = {"NF1": 0.0, "FF1": 1.0, "NF2": 0.0, "FF2": 1.0}
COLUMNS = {"participant": "subj", "phase": "block name", "trial": "trl", "lateral_deviation": "max PD (mm)"}
UNITS = {"lateral_deviation": "mm"}
START, RATE, NOISE = {"FF1": 25.0, "NF2": -20.0, "FF2": 20.0}, {"FF1": 0.05, "NF2": 0.08, "FF2": 0.1}, 1.0


def people(n=10, seed=0, restart=False, start=START):
    """Rows as a lab shares them: other names, millimetres, a target in words, missing cells."""
    rng, rows = np.random.default_rng(seed), []
    for person in range(n):
        first = 1
        for block, trials in LENGTHS.items():
            phase = PHASES[block]
            decay = start.get(phase, 0.0) * np.exp(-RATE.get(phase, 0.0) * np.arange(trials))
            deviation = decay + rng.normal(0.0, NOISE, trials) + rng.normal(0.0, 0.3)
            for k, value in enumerate(deviation):
                cell = "" if rng.random() < 0.01 and k % 8 else f"{value:.3f}"
                trial = k if restart else first + k
                rows.append([f"S{person:02d}", block, trial, ("far", "near")[k % 2], cell, "ok"])
            first += trials
    return rows


def written(path, rows, heading=("subj", "block name", "trl", "tgt", "max PD (mm)", "note"), separator=","):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([heading, *rows])
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


@pytest.fixture
def table(tmp_path):
    return read_trials(written(tmp_path / "people.csv", people()), COLUMNS, UNITS, PHASES)


def test_planted_savings_are_recovered(table):
    summary = savings(table.probe_table(block=4, start=4), window=1)
    mean = [START[p] * np.exp(-RATE[p] * np.arange(4)).mean() for p in ("FF1", "FF2")]
    low, high = summary.initial.ci
    assert low < (mean[0] - mean[1]) / 1000.0 < high and summary.initial.p_holm < 0.01
    assert summary.rate.ratio == pytest.approx(2.0, rel=0.3) and summary.rate.ci[0] > 1.0
    assert summary.after_effect.mean < -0.01 and abs(summary.washout_residual.mean) < 0.001


def test_rows_are_means_of_first_trials_of_the_rest_of_their_block_and_of_blocks(tmp_path):
    rows = [["P", phase, k, k] for phase in ("NF1", "FF1") for k in range(20)]
    table = read_trials(written(tmp_path / "p.csv", rows, HEADING), units=UNITS)
    for (block, start), (trials, means) in {
        (8, 1): ([0, 4, 11], [0.0, 4.0, 11.5]),
        (8, 3): ([1, 5, 11], [1.0, 5.0, 11.5]),
        (8, 8): ([3, 11], [3.5, 11.5]),
        (4, 5): ([2, 6, 9, 13, 17], [2.0, 6.0, 9.5, 13.5, 17.5]),
        (1, 1): (list(range(20)), np.arange(20.0)),
    }.items():
        found = table.probe_table(block=block, start=start)
        here = found["phase"] == "FF1"
        assert found["trial"][here].tolist() == trials
        assert found["lateral_deviation"][here] == pytest.approx(np.array(means) / 1000.0)


def test_faster_relearning_alone_is_no_initial_savings(tmp_path):
    """Both phases begin at the same error: only a start that is not a whole block tells level from rate."""
    rows = people(8, start=START | {"FF2": START["FF1"]})
    table = read_trials(written(tmp_path / "p.csv", rows), COLUMNS, UNITS, PHASES)
    level, blocks = (savings(table.probe_table(block=8, start=start), window=1) for start in (1, 8))
    assert level.initial.p > 0.05 and abs(level.initial.difference) < 0.001
    assert blocks.initial.p < 0.001 and blocks.initial.difference > 0.002
    assert level.rate.ratio == pytest.approx(2.0, rel=0.3)


def of_both_sides(path, column):
    """Twelve participants, every second one pushed to the left."""
    rows = people(12)
    for row in rows:
        sign = (-1.0) ** int(row[0][1:])
        row[4] = row[4] and f"{sign * float(row[4]):.3f}"
        row[5] = sign if row[1].startswith("adapt") else 0
    names = COLUMNS | ({"perturbation": "note"} if column else {})
    return read_trials(written(path, rows), names, UNITS, PHASES)


def test_participants_pushed_to_both_sides_have_the_savings_of_those_pushed_to_one(tmp_path, table):
    found = savings(of_both_sides(tmp_path / "p.csv", column=True).probe_table(block=4), window=1)
    one = read_trials(written(tmp_path / "q.csv", people(12)), COLUMNS, UNITS, PHASES)
    assert found == savings(one.probe_table(block=4), window=1)
    with pytest.raises(
        ValueError, match=r"positive side of some .*\(S00, S02, S04, ...\).*give .* perturbation"
    ):
        of_both_sides(tmp_path / "r.csv", column=False).probe_table()


def test_signs_are_those_of_the_first_perturbation_or_of_the_largest_in_a_phase(tmp_path):
    sizes = {"P": (0, 1, -1, 0), "Q": (0, -1, 0, 2), "R": (0, 0, 0, 0)}
    rows = [[name, phase, k, 1, size] for name, its in sizes.items() for k in (0, 1)
            for phase, size in zip(SIZES, its, strict=True)]  # fmt: skip
    table = read_trials(written(tmp_path / "p.csv", rows, (*HEADING, "perturbation")), units=UNITS)
    assert table.signs().tolist() == [1.0, -1.0, 0.0]
    assert table.signs("FF2").tolist() == [0.0, 1.0, 0.0] and table.signs("NF2").tolist() == [-1.0, 0.0, 0.0]


def test_every_participant_has_a_learning_curve(table):
    curves = phase_curves(table.probe_table(block=8))
    assert list(curves) == ["NF1", "FF1", "NF2", "FF2"] and curves["FF1"].deviation.shape == (10, 11)
    for deviation in curves["FF2"].deviation:
        assert learning_rate(curves["FF2"].trials, deviation).rate == pytest.approx(RATE["FF2"], rel=0.6)
    assert len(learning_curves(curves).axes) == 4


def test_a_model_takes_the_trials_of_a_participant(table):
    design, observed, phase = table.series("S03", SIZES)
    assert design.trials == sum(LENGTHS.values()) == observed.size
    assert design.perturbation.tolist() == [SIZES[name] for name in phase]
    model = TwoRate(process_noise=0.05, motor_noise=0.1, measure="error")
    result = fit(model, design, observed, starts=1, intervals=False)
    assert result.model.scale == pytest.approx(0.025, rel=0.2)  # m that the field pushes at first


def test_trials_come_in_order_whatever_the_order_of_the_rows(tmp_path, table):
    rows = people()
    np.random.default_rng(1).shuffle(rows)
    first = [row for row in rows if row[0] == "S00"]  # decides the order of participants
    again = read_trials(
        written(tmp_path / "b.tsv", first + [r for r in rows if r[0] != "S00"], separator="\t"),
        COLUMNS,
        UNITS,
        PHASES,
    )
    assert sorted(again.participants) == sorted(table.participants)
    for name in table.participants:
        np.testing.assert_array_equal(again.series(name, SIZES)[1], table.series(name, SIZES)[1])


def test_errors_in_channels_and_clamps_are_not_those_of_the_learner(tmp_path):
    rows = [["P", phase, 10 * n + k, -1.0 if k % 5 == 4 else 20.0, int(k == 4), 0.0 if k == 9 else ""]
            for n, phase in enumerate(("NF1", "FF1", "NF2", "FF2")) for k in range(10)]  # fmt: skip
    heading = ("participant", "phase", "trial", "lateral_deviation", "channel", "clamp")
    table = read_trials(written(tmp_path / "held.csv", rows, heading), units=UNITS)
    assert table.probe_table(block=5)["lateral_deviation"] == pytest.approx(np.full(12, 0.02))


def test_missing_trials_are_refused_where_learning_goes_on(tmp_path, table):
    rows = [row for row in people(2) if row[2] != 30]
    gap = read_trials(written(tmp_path / "gap.csv", rows), COLUMNS, UNITS, PHASES)
    with pytest.raises(ValueError, match="participant S00, phase FF1: trial 30 is missing; keep the rows"):
        gap.series("S00", SIZES)
    assert gap.probe_table(block=8) and table.series("S00", SIZES)


def test_trials_may_be_numbered_anew_in_every_phase(tmp_path, table):
    again = read_trials(written(tmp_path / "c.csv", people(restart=True)), COLUMNS, UNITS, PHASES)
    assert again.phases == table.phases
    np.testing.assert_array_equal(again.values["lateral_deviation"], table.values["lateral_deviation"])


NUMBERED = {  # numbers of the trials of each phase
    "through": ((1, 2), (3, 4)),
    "anew": ((1, 2), (1, 2)),
    "anew, from 0": ((0, 1), (0, 1)),
    "by kind of phase": ((1, 2, 3), (1, 2), (4, 5), (3, 4)),
    "a gap": ((1, 2), (30, 31)),
    "a gap of one": ((1, 2), (4, 5)),
}


@pytest.mark.parametrize("way", NUMBERED)
def test_trials_missing_between_phases_are_refused_if_they_are_numbered_through(tmp_path, way):
    rows = [["P", phase, k, "1"] for phase, its in zip(SIZES, NUMBERED[way], strict=False) for k in its]
    numbered = read_trials(written(tmp_path / "gap.csv", rows, HEADING), units=UNITS)
    assert numbered.trial.tolist() == [row[2] for row in rows] and numbered.probe_table()
    if "gap" in way:
        message = "participant P, between phases NF1 and FF1: trial 3 is missing; .* or number trials anew"
        with pytest.raises(ValueError, match=message):
            numbered.series("P", SIZES)
    else:
        assert numbered.series("P", SIZES)[0].trials == len(rows)


def test_a_participant_whose_numbers_rise_has_a_gap_even_if_those_of_others_start_anew(tmp_path):
    rows = [[who, phase, k, "1"] for who, phase, numbers in (
        ("P", "NF1", (1, 2)), ("P", "FF1", (1, 2)), ("Q", "NF1", (1, 2)), ("Q", "FF1", (5, 6)),
    ) for k in numbers]  # fmt: skip
    numbered = read_trials(written(tmp_path / "gap.csv", rows, HEADING), units=UNITS)
    assert numbered.series("P", SIZES)
    with pytest.raises(ValueError, match="participant Q, between phases NF1 and FF1: trial 3 is missing"):
        numbered.series("Q", SIZES)


def test_units_and_phases_may_be_those_of_several_tables(tmp_path):
    lateral = written(tmp_path / "a.csv", [["P", "one", 1, "2"]], HEADING)
    angular = written(tmp_path / "b.csv", [["P", "two", 1, "3"]], (*HEADING[:3], "angle"))
    names = {"units": {"lateral_deviation": "mm", "angle": "deg"}, "phases": {"one": "FF1", "two": "FF2"}}
    for path, other, phase in ((lateral, angular, "FF1"), (angular, lateral, "FF2")):
        assert read_trials(path, **names, others=[other]).phases == (phase,)
        with pytest.raises(ValueError, match="a measure in units must be one of"):
            read_trials(path, **names)
    names["phases"]["three"] = "NF1"
    with pytest.raises(
        ValueError, match=r"a.csv: a name in phases must be one of \('one', 'two'\), got 'three'"
    ):
        read_trials(lateral, **names, others=[angular])


def test_parquet_holds_the_same_trials(tmp_path, table):
    pd = pytest.importorskip("pandas")
    frame = pd.read_csv(written(tmp_path / "d.csv", people()))
    frame.to_parquet(tmp_path / "d.parquet")
    again = read_trials(tmp_path / "d.parquet", COLUMNS, UNITS, PHASES)
    np.testing.assert_allclose(again.values["lateral_deviation"], table.values["lateral_deviation"])


@pytest.mark.parametrize(
    ("measure", "unit", "factor"),
    [
        ("lateral_deviation", "cm", 0.01),
        ("lateral_deviation", "m", 1.0),
        ("angle", "deg", np.pi / 180),
        ("angle", "rad", 1.0),
    ],
)
def test_units_become_si(tmp_path, measure, unit, factor):
    path = written(tmp_path / "a.csv", [["1", "A", "1", "30"]], ("participant", "phase", "trial", measure))
    assert read_trials(path, units={measure: unit}).values[measure][0] == pytest.approx(30 * factor)


def test_channels_clamps_and_perturbations_reach_the_design(tmp_path):
    heading = ("participant", "phase", "trial", "angle", "force_index", "perturbation", "clamp", "channel")
    rows = [
        ("1", "A", 1, 30, "", 1, "", 0),
        ("1", "A", 2, "", 0.4, "", "", 1),
        ("1", "A", 3, 15, "nan", 1, 0.5, 0),
    ]
    table = read_trials(written(tmp_path / "a.csv", rows, heading), units={"angle": "deg"})
    design, observed, _ = table.series("1", measure="force_index")
    assert design.perturbation.tolist() == [1.0, 0.0, 1.0] and design.channel.tolist() == [False, True, False]
    np.testing.assert_array_equal(design.imposed_error, [np.nan, 0.0, 0.5])
    np.testing.assert_array_equal(observed, [np.nan, 0.4, np.nan])
    assert table.measures == ("angle", "force_index")


ROW, HEADING = ["S1", "A", "1", "2.0"], ("participant", "phase", "trial", "lateral_deviation")


@pytest.mark.parametrize(
    ("rows", "heading", "arguments", "message"),
    [
        ([ROW], HEADING, {}, r"unit of lateral_deviation is not given; choose from: m, cm, mm"),
        ([ROW], HEADING, {"units": {"lateral_deviation": "inch"}}, "must be one of .*'mm'.*, got 'inch'"),
        ([ROW], ("who", *HEADING[1:]), {}, "no column 'participant'; it has who, phase, trial"),
        ([ROW], HEADING, {"columns": {"target": "tgt"}}, "no column 'tgt'; it has participant"),
        ([ROW], HEADING, {"columns": {"goal": "tgt"}}, "column must be one of .*'participant', .*got 'goal'"),
        ([ROW], (*HEADING[:3], "reward"), {}, "none of the measures lateral_deviation, angle, force_index"),
        ([ROW], HEADING, {"phases": {"B": "NF1"}}, r"a name in phases must be one of \('A',\), got 'B'"),
        (
            [ROW], HEADING, {"units": {"lateral_deviation": "mm", "force": "N"}},
            r"bad.csv: a measure in units must be one of \('lateral_deviation',\), got 'force'",
        ),
        (
            [ROW], (*HEADING[:3], "force_index"), {"units": {"angle": "deg"}},
            "bad.csv has no measure with a unit, got units of angle",
        ),
        ([[*ROW[:3], "2,0"]], HEADING, {}, "row 2, column 'lateral_deviation': '2,0' is not a number"),
        ([[*ROW[:2], "1.5", "2"]], HEADING, {}, "row 2, column 'trial': '1.5' is not a whole number"),
        ([["", *ROW[1:]]], HEADING, {}, "row 2, column 'participant': the cell is empty"),
        ([ROW, ROW], HEADING, {}, "participant S1, phase A: trial 1 occurs twice"),
        ([ROW[:3]], HEADING, {}, "row 2: 3 cells, expected 4"),
        ([], HEADING, {}, "has 1 rows, expected a heading and at least one trial"),
        ([ROW], (*HEADING[:3], "trial"), {}, "column name twice"),
        (
            [["S1", p, str(k), "1"] for k, p in enumerate("ABA")], HEADING, {},
            "phase A of participant S1 is interrupted",
        ),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_by_name(tmp_path, rows, heading, arguments, message):
    path = written(tmp_path / "bad.csv", rows, heading)
    if "unit" not in message and "units" not in arguments:
        arguments = {**arguments, "units": {"lateral_deviation": "mm"}}
    with pytest.raises(ValueError, match=message):
        read_trials(path, **arguments)


def test_what_a_table_does_not_hold_is_refused(tmp_path, table):
    with pytest.raises(FileNotFoundError, match="no file 'nowhere.csv'"):
        read_trials("nowhere.csv")
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"unknown kind; choose from: .csv, .tsv, .txt, .parquet"):
        read_trials(tmp_path / "a.xlsx")
    with pytest.raises(ValueError, match="no participant 'S99'; choose from: S00, S01"):
        table.series("S99", SIZES)
    with pytest.raises(ValueError, match="no column perturbation: give the size of every phase"):
        table.series("S00")
    with pytest.raises(ValueError, match=r"no size for the phases \['FF2'\]"):
        table.series("S00", {name: 0.0 for name in ("NF1", "FF1", "NF2")})
    with pytest.raises(ValueError, match=r"measure must be one of \('lateral_deviation',\), got 'angle'"):
        table.probe_table("angle")
    with pytest.raises(ValueError, match="has 16 trials in phase NF1, expected at least 17, one block"):
        table.probe_table(block=17)
    with pytest.raises(ValueError, match="has 16 trials in phase NF1, expected at least 18, its start"):
        table.probe_table(start=18)
    with pytest.raises(ValueError, match="perturbation has the size 30, expected .* 1 for a rotation of 30"):
        table.series("S00", SIZES | {"FF1": 30.0})
