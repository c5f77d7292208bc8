"""Findings go through their files, tables and commands say what they mean, effects follow corrected tests."""

import dataclasses
import json

import numpy as np
import pytest
import tyro
from scipy import stats

from experiments.figures.comparison import beside_the_study, compare, comparison_table, further_numbers, tally
from experiments.figures.findings import Findings, correct, effect, failed_fits, geometric_mean
from experiments.runs.tables import format_interval, format_value, listed, markdown_table
from experiments.savings.config import PRESETS, Savings, arguments
from experiments.stored.runs import StoredRuns
from experiments.study import (
    INITIAL_FF1,
    INITIAL_SAVINGS,
    REFERENCE,
    REFERENCES,
    SLOPE,
    Quantity,
    curve,
    quantity,
)
from savings_gym.metrics.statistics import Sampling

SAVED = Quantity(INITIAL_SAVINGS, 1.5, (1.4, 1.6), 8, "mm", 1e-6, values=(1.4, 1.6))


def test_the_findings_of_a_figure_come_back(tmp_path):
    picture = tmp_path / "a.png"
    without = Quantity("b", None, (None, None), 0, "1", note="why")
    networks = {"units": np.array([32, 64]), "rate": np.array([0.1234567, np.nan])}
    findings = Findings([SAVED, without], {"t": "| x |"}, [picture], "Words.", networks)
    assert findings.save(tmp_path, "a") is findings
    stored = Findings.load(tmp_path, "a")
    assert dataclasses.replace(stored, networks={}) == dataclasses.replace(findings, networks={})
    np.testing.assert_array_equal(stored.networks["units"], [32, 64])
    np.testing.assert_array_equal(stored.networks["rate"], [0.123457, np.nan])
    assert json.loads((tmp_path / "a.json").read_text())["pictures"] == ["a.png"]
    assert stored.files(tmp_path, "a") == [tmp_path / name for name in ("a.json", "a.csv", "a.png", "a.svg")]
    assert '"values": [1.4, 1.6]' in (tmp_path / "a.json").read_text()  # one line per list


def test_values_per_network_of_an_earlier_figure_do_not_stay(tmp_path):
    Findings([SAVED], networks={"x": np.ones(2)}).save(tmp_path, "a")
    Findings([SAVED]).save(tmp_path, "a")
    assert not (tmp_path / "a.csv").exists()


def test_a_quantity_keeps_the_values_from_which_its_interval_follows():
    values = np.random.default_rng(0).normal(1e-3, 2e-4, 8)
    entry = quantity("x", values, "mm", Sampling(), scale=1e3)
    kept = np.array(entry.values)
    assert kept == pytest.approx(1e3 * values, rel=1e-5)
    low, high = stats.t.interval(0.95, 7, kept.mean(), stats.sem(kept))
    assert (entry.value, *entry.ci) == pytest.approx((kept.mean(), low, high), rel=1e-4)
    assert entry.p == pytest.approx(stats.ttest_1samp(kept, 0.0).pvalue, rel=1e-3)


def test_only_claims_are_corrected_and_effects_follow_the_corrected_test():
    entries = [
        Quantity(name, 1.0, (0.1, 1.9), 8, "1", p) for name, p in (("a", 0.03), ("b", 0.03), ("c", 0.03))
    ]
    corrected = {entry.name: entry for entry in correct(entries, ("a", "b"))}
    assert [corrected[name].p_holm for name in "abc"] == [0.06, 0.06, None]
    assert [effect(corrected[name]) for name in "abc"] == [0, 0, 1]
    assert effect(dataclasses.replace(corrected["c"], value=-1.0)) == -1
    assert effect(corrected["c"], null=1.5) == -1
    assert effect(Quantity("d", 1.0, (None, None), 1, "1")) == 0


def test_numbers_that_json_lacks_become_none():
    entry = Quantity("x", np.nan, (-np.inf, np.float32(1.0)), np.int64(3), "mm", np.nan)
    assert (entry.value, entry.ci, entry.p) == (None, (None, 1.0), None)
    assert type(entry.networks) is int
    json.dumps(dataclasses.asdict(entry), allow_nan=False)


def test_a_name_twice_and_a_broken_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match="more than one quantity named x"):
        Findings([dataclasses.replace(SAVED, name="x")] * 2).save(tmp_path, "a")
    (tmp_path / "a.json").write_text('{"quantities": [')
    with pytest.raises(ValueError, match=r"a\.json"):
        Findings.load(tmp_path, "a")


def test_an_unfinished_run_is_an_error_that_names_it(tmp_path):
    runs = StoredRuns(tmp_path, {}, {}, 0)
    for read in (runs.table, runs.summary, runs.arguments):
        with pytest.raises(FileNotFoundError, match=tmp_path.name):
            read(tmp_path)


def test_the_comparison_has_one_row_per_reference():
    rows = compare({"learning": Findings([SAVED])})
    assert [row["name"] for row in rows] == [row.name for row in REFERENCES]
    known = next(row for row in rows if row["name"] == INITIAL_SAVINGS)
    assert (known["ours"], known["ci"], known["networks"]) == (1.5, [1.4, 1.6], 8)
    assert (known["figure"], known["verdict"]) == ("learning", "differs")
    assert tally(rows) == f"none agrees, 1 differs and {len(REFERENCES) - 1} are not testable"
    json.dumps(rows, allow_nan=False)


def verdicts(**of):
    """Rows of all numbers of the study; those named differ by as much as given, the others agree."""
    return [
        {
            "name": row.name, "reference": row.value, "unit": row.unit, "source": row.source,
            "ours": row.value + of.get(row.name, 0.0), "verdict": "differs" if row.name in of else "agrees",
        }
        for row in REFERENCES
    ]  # fmt: skip


def test_the_tally_says_that_none_agrees_only_if_none_does():
    assert tally(verdicts()) == f"{len(REFERENCES)} agree"
    assert tally(verdicts(**{SLOPE: 0.1})) == f"{len(REFERENCES) - 1} agree and 1 differs"
    assert tally([{"verdict": "undecided"}]) == "none agrees and 1 is undecided"
    assert tally([]) == ""


def test_numbers_that_could_not_have_agreed_are_counted():
    rows, margin = verdicts(), REFERENCE[SLOPE].margin
    for width, words in ((0.9, ""), (1.1, "For 1 of all numbers our interval is wider")):
        row = next(row for row in rows if row["name"] == SLOPE)
        row["ci"] = [row["ours"] - width * margin, row["ours"] + width * margin]
        assert words in beside_the_study(rows)
        assert ("could not agree" in beside_the_study(rows)) == bool(words)


def test_numbers_that_differ_are_counted_by_what_they_measure():
    assert beside_the_study(verdicts()).endswith("agree, by margins declared before the runs of this page.")
    one = beside_the_study(verdicts(**{SLOPE: 0.37}))
    assert one.endswith("What differs: displacement slope (-0.07 mm per unit of shift, the study ~-0.44 mm "
                        "per unit of shift).")  # fmt: skip
    lower = {curve(phase, batch): -5.0 for phase in ("FF1", "FF2") for batch in (100, 200)}
    several = beside_the_study(verdicts(**lower, **{INITIAL_FF1: -5.0, SLOPE: 0.37}))
    assert (
        "The 6 that differ measure 2 things: the learning curves, from their start on, 5 numbers, all lower"
        in several
    )
    assert "(initial deviation FF1: 29.7 mm, the study ~34.7 mm)" in several
    both = beside_the_study(verdicts(**lower, **{INITIAL_FF1: 5.0}))
    assert "5 numbers (initial" in both  # on both sides


def test_one_number_of_the_study_from_two_figures_is_an_error():
    with pytest.raises(ValueError, match=r"a and b both have 'initial savings"):
        compare({"a": Findings([SAVED]), "b": Findings([SAVED])})


def test_a_table_has_what_the_study_lacks_and_only_columns_that_are_filled():
    ours = Quantity("of ours", 2.0, (1.5, 2.5), 8, "1")
    table = further_numbers("Others", [SAVED, ours])["Others"].splitlines()
    assert table[0] == "| quantity | ours [95 % interval] | networks |"
    assert table[2:] == ["| of ours | 2.00 [1.50, 2.50] | 8 |"]
    tested = dataclasses.replace(ours, p=1e-3, p_holm=2e-3, note="why")
    (text,) = further_numbers("Others", [ours, tested]).values()
    assert text.splitlines()[0] == "| quantity | ours [95 % interval] | p | p (Holm) | networks | note |"
    assert text.splitlines()[2] == "| of ours | 2.00 [1.50, 2.50] | - | - | 8 | - |"
    assert further_numbers("Others", [SAVED]) == {}


def test_the_comparison_prints_the_p_that_the_figure_claims():
    lines = comparison_table(compare({"a": Findings([SAVED])})).splitlines()
    unclaimed = next(line for line in lines if line.startswith(f"| {INITIAL_SAVINGS} |"))
    assert (
        unclaimed
        == f"| {INITIAL_SAVINGS} | ~0.9 mm | 1.50 mm [1.40, 1.60] | - | 8 | differs: same direction |"
    )
    claimed = dataclasses.replace(SAVED, p_holm=2e-6)
    assert "| 2e-06 | 8 |" in comparison_table(compare({"a": Findings([claimed])}))


def test_a_geometric_mean_is_that_of_equal_ratios():
    shares = np.array([[0.1, 1e-9], [0.4, 1e-9]])
    assert geometric_mean(shares) == pytest.approx([0.2, 1e-4])  # what is too small to draw counts as 1e-4


def test_a_list_in_a_sentence():
    assert [listed(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_cells_keep_their_table():
    assert markdown_table(["a"], [["x | y"]]).splitlines()[2] == r"| x \| y |"
    with pytest.raises(ValueError, match="has 2 cells, expected 1"):
        markdown_table(["a"], [["x", "y"]])


@pytest.mark.parametrize(
    ("value", "ci", "text"),
    [
        (0.12345, (0.1, 0.2), "0.123 mm [0.100, 0.200]"),
        (34.8, (33.4, 36.12), "34.8 mm [33.4, 36.1]"),
        (-0.0009, (-0.165, 0.179), "-0.001 mm [-0.165, 0.179]"),
        (-0.0002, (-0.165, 0.179), "0.000 mm [-0.165, 0.179]"),
        (1234.0, (1000.0, 1500.0), "1234 mm [1000, 1500]"),
        (0.0, (0.0, 0.0), "0 mm [0, 0]"),
        (2e-9, (1e-9, 3e-9), "0.000 mm [0.000, 0.000]"),
        (1.5, (None, 2.0), "1.5 mm"),
        (None, (1.0, 2.0), "-"),
    ],
)
def test_a_value_and_its_interval_have_the_same_decimals(value, ci, text):
    assert format_value(value, ci, "mm") == text


def test_an_interval_without_an_end_is_a_dash():
    assert format_interval((1.0, 2.0)) == "1.00 to 2.00" and format_interval((None, 2.0)) == "-"


def test_failed_fits_are_counted_and_every_reason_given_once():
    assert failed_fits(["network 0, FF1: flat", "network 1, FF1: flat"]) == "2 fits of a rate failed: flat"
    assert failed_fits([]) == ""


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_command_of_a_run_makes_that_run(preset, tmp_path):
    usual = PRESETS[preset]
    config = dataclasses.replace(
        usual, out=tmp_path, networks=5, pretrained=None, b=-8.0, frozen=("readout_bias",),
        loss=dataclasses.replace(usual.loss, jerk=3.0), change=dataclasses.replace(usual.change, ff1_b=0.0),
        delays=dataclasses.replace(usual.delays, vision=0.05), track=True,
    )  # fmt: skip
    assert tyro.cli(Savings, args=arguments(config), default=usual) == config
    assert arguments(usual) == ["--preset", preset]
