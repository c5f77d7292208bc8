"""Statistics and verdicts follow from the values of the seeds and claim only what the tests support."""

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from experiments.benchmark.agents import AGENTS
from experiments.benchmark.columns import TABLES
from experiments.benchmark.page import COMMITTED, main, recomputed, render, with_row_files
from experiments.benchmark.protocol import CONTENT
from experiments.benchmark.row_file import ROWS, read_rows
from experiments.benchmark.rows import statistics
from experiments.benchmark.values import values_of_tables
from experiments.benchmark.verdicts import add_verdicts, deviation, reaches, savings_test, sentence
from experiments.runs.out import PAGE
from savings_gym.metrics.curves import INDEX_COLUMNS
from savings_gym.metrics.power import largest_deviation, networks_for_effect
from savings_gym.task.schedule import PHASES

SEEDS = 5


def spread(mean: float, deviation: float, seeds: int = SEEDS) -> np.ndarray:
    """Values with exactly this mean and standard deviation."""
    x = np.random.default_rng(0).normal(size=seeds)
    return mean + deviation * (x - x.mean()) / x.std(ddof=1)


def seed_values(**changes: Any) -> dict[str, list[Any]]:
    """An agent that reaches and adapts, and whose FF2 is like its FF1."""
    values = {
        "seed": np.arange(SEEDS),
        "trials_to_reach": np.full(SEEDS, 4000.0),
        "endpoint_error": spread(0.005, 0.001),
        "ff1_initial": spread(0.030, 0.002),
        "ff1_final": spread(0.002, 0.001),
        "ff2_initial": spread(0.030, 0.002) + [0.001, -0.001, 0.0, 0.001, -0.001],
        "ff1_rate": spread(1e-3, 1e-4),
        "ff2_rate": spread(1e-3, 1e-4) + [1e-4, -1e-4, 0.0, 1e-4, -1e-4],
        "after_effect": spread(-0.025, 0.002),
        "washout_residual": spread(0.0, 0.001),
        "channel_NF1": spread(0.0, 0.02),
        "channel_FF1": spread(0.8, 0.05),
        "channel_NF2": spread(0.0, 0.02),
        "channel_FF2": spread(0.8, 0.05),
    } | changes
    return {name: np.asarray(column).tolist() for name, column in values.items()}


def row(agent: str = "ppo", **changes: Any) -> dict[str, Any]:
    values = seed_values(**changes)
    about = {"agent": agent, "memory": "reset", "description": "", "command": "", "rate_failures": []}
    about |= {"learns_to_reach": True, "fixed": False, "steps_per_second": 1.0, "wall_time_s": 60.0}
    return about | {"values": values} | statistics(values)


def verdict(*others: dict[str, Any], **changes: Any) -> str:
    rows = [row(**changes), *others]
    add_verdicts(rows)
    return rows[0]["verdict"]


BETTER_START = spread(0.026, 0.002)
FASTER, SLOWER = spread(2e-3, 1e-4), spread(5e-4, 1e-4)


def test_intervals_are_t_intervals_of_the_values():
    ff1, ff2 = spread(0.03, 0.003), spread(0.02, 0.001)[::-1]
    savings = row(ff1_initial=ff1, ff2_initial=ff2)["initial_savings"]
    reference = ttest_1samp(ff1 - ff2, 0.0)
    assert savings["p"] == pytest.approx(reference.pvalue)
    assert savings["ci"] == pytest.approx(list(reference.confidence_interval(0.95)))
    assert savings["networks"] == SEEDS


def test_savings_do_not_depend_on_the_side_of_the_field():
    right, left = (row(ff1_initial=s * spread(0.03, 0.003), ff2_initial=s * BETTER_START) for s in (1, -1))
    for name in ("mean", "t", "p"):
        assert left["initial_savings"][name] == pytest.approx(right["initial_savings"][name])


def test_verdicts_below_savings():
    assert verdict(endpoint_error=spread(0.02, 0.001)) == "does not reach"
    assert verdict(channel_FF1=spread(0.1, 0.3)) == "no adaptation shown"
    assert verdict(after_effect=spread(0.02, 0.002)) == "no adaptation shown"  # to the side of the field
    assert verdict() == "no savings shown"
    few = {name: column[:2] for name, column in seed_values().items()}
    rows = [row() | {"values": few} | statistics(few), row() | {"fixed": True}]
    add_verdicts(rows)
    assert [entry["verdict"] for entry in rows] == ["too few seeds", "does not learn"]


def probes_of_nf1(errors: dict[int, list[float]]) -> pd.DataFrame:
    """Probes of four phases, with one target and the given errors in NF1 by seed."""
    rows = [
        (seed, phase, i, 8 * i, 0, 1e-3 * (i + 1), error)
        for seed, of_seed in errors.items()
        for phase in PHASES
        for i, error in enumerate(of_seed if phase == "NF1" else [0.02, 0.01, 0.005])
    ]
    return pd.DataFrame(rows, columns=[*INDEX_COLUMNS, "lateral_deviation", "endpoint_error"])


def test_a_seed_that_met_the_criterion_reaches_whatever_its_errors_were_before():
    table = probes_of_nf1({0: [0.020, 0.014, 0.009, 0.009, 0.009]})
    channels = {f"channel_{phase}": [0.0] for phase in PHASES}
    for recorded, error in (
        (channels, 0.0122),
        (channels | {"criterion_met": [1.0], "criterion_probes": [3.0]}, 0.009),
        (channels | {"criterion_met": [1.0]}, 0.0122),  # rows from before the number of probes was kept
    ):
        values, _ = values_of_tables(table, None, recorded)
        assert values["endpoint_error"] == [pytest.approx(error)]
        assert reaches(statistics(values)) == ("criterion_met" in recorded)


def test_seeds_whose_criterion_ended_nf1_at_different_trials_make_one_row():
    table = probes_of_nf1({0: [0.02, 0.009, 0.009, 0.009], 4: [0.008, 0.007, 0.006]})
    recorded = {"criterion_met": [1.0, 1.0], "criterion_probes": [3.0, 3.0]}
    values, _ = values_of_tables(table, table, recorded)
    assert values["seed"] == [0, 4]
    assert values["endpoint_error"] == pytest.approx([0.009, 0.007])
    assert values["trials_to_reach"] == [8.0, 0.0]
    assert values["washout_residual"] == pytest.approx(
        [-0.001, 0.0]
    )  # NF1 ends with the probes of its criterion


def test_speeds_are_those_of_the_first_probes_if_the_probes_have_them():
    table = probes_of_nf1({0: [0.009], 4: [0.008]})
    assert "speed" not in statistics(values_of_tables(table, None, {})[0])
    fast, slow = (table.assign(peak_speed=first + 0.1 * table["update"]) for first in (0.7, 0.4))
    found = statistics(values_of_tables(slow, fast, {})[0])["speed"]
    assert {name: test["mean"] for name, test in found.items()} == pytest.approx(
        {"ff1_speed": 0.4, "ff2_speed": 0.4, "sham_ff2_speed": 0.7}
    )


def test_without_a_sham_a_better_ff2_may_be_practice():
    assert verdict(ff2_initial=BETTER_START) == "savings or practice (initial)"
    assert verdict(ff2_initial=BETTER_START, ff2_rate=FASTER) == "savings or practice (initial, rate)"
    assert verdict(ff2_rate=SLOWER) == "no savings shown; worse in FF2 (rate)"


def test_savings_are_what_the_sham_does_not_show():
    like_ff1, like_ff2 = seed_values()["ff1_initial"], BETTER_START + [1e-3, -1e-3, 0.0, 1e-3, -1e-3]
    changes = {"ff2_initial": BETTER_START, "sham_ff2_rate": seed_values()["ff2_rate"]}
    assert verdict(sham_ff2_initial=like_ff1, **changes) == "savings (initial)"
    assert verdict(sham_ff2_initial=like_ff2, **changes) == "no savings shown"  # practice does as much
    changes["ff2_initial"] = seed_values()["ff1_initial"]  # practice alone makes it worse than FF1
    assert verdict(sham_ff2_initial=spread(0.04, 0.002), **changes) == "savings (initial)"


def test_every_row_has_one_test_of_each_kind_of_savings_and_shams_decide_which():
    without, with_sham = row(), row(sham_ff2_initial=BETTER_START, sham_ff2_rate=FASTER)
    add_verdicts([without, with_sham])
    assert savings_test(without, "initial") is without["initial_savings"]
    assert savings_test(with_sham, "rate") is with_sham["against_sham"]["rate"]
    assert "p_holm" not in with_sham["initial_savings"]


def test_a_sentence_says_value_interval_and_seeds_and_what_would_settle_it():
    rows = [row(ff2_initial=BETTER_START, ff2_rate=FASTER + spread(0.0, 1e-3)[::-1])]
    add_verdicts(rows)
    initial, rate = sentence(rows[0]).split(". Rate")
    assert initial.startswith("Savings or practice (initial). Initial savings, practice included: 4.0 mm (")
    assert "n = 5; corrected p" in initial and "inconclusive" not in initial
    test = rows[0]["rate_savings"]
    needed = networks_for_effect(0.2 * test["ff1"] / deviation(test), 0.05 / 2)
    upper = largest_deviation(deviation(test), SEEDS)
    most = networks_for_effect(0.2 * test["ff1"] / upper, 0.05 / 2)
    assert (test["seeds_needed"], test["most_seeds"]) == (needed, most) and most > needed
    assert f"{needed} seeds would be needed to detect 0.20 per 1000 trials, or {most} if the SD is" in rate
    assert test["effect_size"] == pytest.approx(test["t"] / SEEDS**0.5)
    low, high = test["effect_size_ci"]
    assert low < test["effect_size"] < high


def test_what_is_not_significant_is_smaller_than_the_smallest_visible_effect():
    rows = [row(ff2_initial=BETTER_START), row("sac")]
    add_verdicts(rows)
    for entry in rows:
        test = savings_test(entry, "initial")
        assert (test["p_holm"] < 0.05) or abs(test["mean"]) < test["smallest"]


def test_an_interval_that_leaves_out_zero_is_no_claim_without_the_corrected_test():
    weak = spread(0.030, 0.002) - spread(0.002, 0.0015)[::-1]
    rows = [row(ff2_initial=weak), row("sac")]
    add_verdicts(rows)
    assert rows[0]["initial_savings"]["ci"][0] > 0 and rows[0]["verdict"] == "no savings shown"
    assert "it differs from 0 before the correction, not after" in sentence(rows[0])


def test_savings_against_the_sham_are_paired_over_the_seeds_that_have_one():
    sham = [0.029, None, 0.028, None, 0.030]
    against = row(ff2_initial=np.full(SEEDS, 0.025), sham_ff2_initial=sham)["against_sham"]["initial"]
    assert against["mean"] == pytest.approx(0.004) and against["networks"] == 3


def test_p_values_are_corrected_for_all_rows_of_a_table():
    weak = spread(0.030, 0.002) - spread(0.002, 0.0015)[::-1]  # p = 0.04 if it were the only test
    p = row(ff2_initial=weak)["initial_savings"]["p"]
    assert 0.01 < p < 0.05
    assert verdict(ff2_initial=weak) == "no savings shown"
    rows = [row(ff2_initial=weak), row("sac"), row("sac", endpoint_error=spread(0.1, 0.01))]
    add_verdicts(rows)
    assert rows[0]["initial_savings"]["p_holm"] == pytest.approx(
        4 * p
    )  # two measures of two agents that reach
    assert "p_holm" not in rows[2]["initial_savings"]


def test_a_value_on_fewer_seeds_says_so():
    columns = dict(TABLES["Learning rate (per 1000 trials)"])
    rates = seed_values()["ff1_rate"]
    complete, partial = row(), row(ff1_rate=[None, None, *rates[2:]])
    assert "(n = 3)" not in columns["FF2 / FF1"](complete)
    assert columns["FF2 / FF1"](partial).endswith("(n = 3)") and columns["FF1"](partial).endswith("(n = 3)")


def test_the_page_is_computed_from_the_values_of_the_seeds(tmp_path):
    rows = [row(agent, ff2_initial=BETTER_START) for agent in ("ppo", "sac")]
    add_verdicts(rows)
    protocol = {"nf1": 1, "ff1": 2, "nf2": 3, "ff2": 4}
    content = {"protocol": protocol, "rows": rows, "versions": {"python": "3"}}
    assert recomputed(content) == content
    damaged = content | {"rows": [entry | {"verdict": "?", "initial_savings": {}} for entry in rows]}
    (tmp_path / CONTENT).write_text(json.dumps(damaged))
    assert main(["--folder", str(tmp_path)]) == 0
    assert json.loads((tmp_path / CONTENT).read_text()) == content
    page = (tmp_path / PAGE).read_text()
    assert page == render(content)
    assert "2 of 2 learning agents reach" in page
    for agent in ("ppo", "sac"):
        assert f"- **{agent}**: Savings or practice (initial). Initial savings" in page


def test_notes_name_the_rows_of_which_they_speak_and_go_with_the_last():
    ours = {"rows": [row("ppo"), row("sac")], "notes": ["No shams."], "protocol": {}}
    first, second = with_row_files(ours, [row("ppo")])["notes"]
    assert first.endswith("rows without files of their own, sac:") and second == "No shams."
    assert with_row_files(ours, [])["notes"] == ["No shams."]
    assert with_row_files(ours, [row("ppo"), row("sac")])["notes"] == []


def test_a_file_of_something_else_is_refused(tmp_path, caplog):
    (tmp_path / CONTENT).write_text("{}")
    assert main(["--folder", str(tmp_path)]) == 2
    assert "does not hold the results of experiments.benchmark" in caplog.text
    assert main(["--folder", str(tmp_path / "nowhere")]) == 2


def test_the_committed_page_is_made_from_the_committed_results():
    content = json.loads((COMMITTED / CONTENT).read_text())
    shown = with_row_files(content, read_rows(COMMITTED / ROWS))
    assert (COMMITTED / PAGE).read_text() == render(shown), "run python -m experiments.benchmark.page"
    assert recomputed(content) == content  # rows with files stay in their files
    assert {entry["agent"] for entry in content["rows"]} <= set(AGENTS)


def test_the_page_explains_the_columns_that_it_shows_and_no_others():
    page = (COMMITTED / PAGE).read_text()
    shown = " ".join(line for line in page.splitlines() if line.startswith(("| ", "**"))).lower()
    explained = [line for line in page.splitlines() if re.match(r"- \*[A-Z]", line)]
    terms = [term.lower() for line in explained for term in re.findall(r"\*([A-Z][^*]+)\*:", line)]
    assert len(terms) >= 10 and all(term in shown for term in terms)
    content = json.loads((COMMITTED / CONTENT).read_text())
    plain = render(content)
    ended = [entry | {"nf1": {"met": 3, "with_criterion": 5}} for entry in content["rows"]]
    assert "*Met the criterion*" in render(content | {"rows": ended}) and "*Met the criterion*" not in plain


def test_committed_intervals_of_differences_are_t_intervals():
    for entry in json.loads((COMMITTED / CONTENT).read_text())["rows"]:
        for name in ("initial_savings", "rate_savings", "after_effect", "washout_residual"):
            test = entry[name]
            if test["t"]:
                half = student.ppf(0.975, test["networks"] - 1) * abs(test["mean"] / test["t"])
                assert test["ci"] == pytest.approx([test["mean"] - half, test["mean"] + half])
