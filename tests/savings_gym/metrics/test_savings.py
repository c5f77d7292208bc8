"""Laws of savings: what is planted in a probe table comes out, and what is not does not."""

import dataclasses
import json

import numpy as np
import pytest
from planted_probes import plant, rows

from savings_gym.metrics import savings
from savings_gym.metrics.curves import phase_curves
from savings_gym.metrics.statistics import holm
from savings_gym.task.schedule import PHASES


def with_phase_copied(table: dict[str, np.ndarray], source: str, into: str) -> dict[str, np.ndarray]:
    table = {name: values.copy() for name, values in table.items()}
    table["lateral_deviation"][table["phase"] == into] = table["lateral_deviation"][table["phase"] == source]
    return table


@pytest.fixture(scope="module")
def planted() -> dict[str, np.ndarray]:
    return plant()


@pytest.fixture(scope="module")
def measured(planted) -> savings.SavingsSummary:
    return savings.savings(planted)


def test_planted_savings_are_inside_their_intervals(measured):
    initial, rate = measured.initial, measured.rate
    assert initial.ci[0] < 0.001 < initial.ci[1] and initial.ci[0] > 0.0
    assert initial.ff1 == pytest.approx(0.035, abs=1e-3) and initial.difference == pytest.approx(
        initial.ff1 - initial.ff2
    )
    assert rate.ci[0] < 1.2 < rate.ci[1] and rate.ci[0] > 1.1
    assert rate.ff1 == pytest.approx(2e-3, rel=0.02) and rate.ff2 == pytest.approx(2.4e-3, rel=0.02)
    assert rate.ratio == pytest.approx(rate.ff2 / rate.ff1)
    assert rate.difference_ci[0] < 4e-4 < rate.difference_ci[1]
    assert rate.networks == 12 and rate.failures == ()
    assert max(initial.p, initial.p_sign_flip, rate.p, rate.p_sign_flip) < 0.001
    assert initial.paired_fraction == 1.0 > initial.all_pairs_fraction > 0.5
    assert measured.after_effect.ci[0] < -0.033 < measured.after_effect.ci[1]
    assert measured.phases["FF1"].trials == 199 * 8


def test_networks_that_differ_in_rate_blur_all_pairs_but_not_pairs():
    rate = savings.savings(plant(rate_spread=0.3), resamples=500).rate
    pace = np.exp(np.random.default_rng([0, 1]).normal(0.0, 0.3, 12))
    wins = 1.2 * pace[:, None] > pace
    expected = wins[~np.eye(12, dtype=bool)].mean()
    assert 0.55 < expected < 0.85
    assert rate.paired_fraction == 1.0 and rate.all_pairs_fraction == pytest.approx(expected, abs=0.03)
    assert rate.ratio == pytest.approx(1.2, rel=0.03)


def test_final_deviation_is_the_last_window_and_washout_is_nf2_minus_nf1(planted):
    curves = phase_curves(planted)
    end = {phase: curves[phase].deviation[:, -5:].mean(axis=1) for phase in PHASES}
    summary = savings.savings(planted, resamples=200)
    for phase in PHASES:
        assert summary.phases[phase].final_deviation == pytest.approx(end[phase].mean(), rel=1e-12)
        assert summary.phases[phase].initial_deviation == curves[phase].deviation[:, 0].mean()
    assert summary.washout_residual.mean == pytest.approx((end["NF2"] - end["NF1"]).mean(), rel=1e-12)
    planted = {
        **planted,
        "lateral_deviation": planted["lateral_deviation"] + 1e-3 * (planted["phase"] == "NF2"),
    }
    shifted = savings.savings(planted, resamples=200)
    assert shifted.washout_residual.mean - summary.washout_residual.mean == pytest.approx(1e-3)


def test_what_a_learner_did_before_it_could_reach_is_no_residual(planted):
    table = {name: values.copy() for name, values in planted.items()}
    for update, deviation in enumerate((60e-3, 40e-3, 2e-3, 2e-3, 2e-3)):
        chosen = (table["phase"] == "NF1") & (table["update"] == update)
        table["lateral_deviation"][chosen] = deviation
    table["lateral_deviation"][table["phase"] == "NF2"] = 2e-3
    table = rows(table, (table["phase"] != "NF1") | (table["update"] < 5))
    assert savings.savings(table).washout_residual.mean == pytest.approx(-19.2e-3)
    met = savings.savings(table, criterion_probes=3)
    assert met.washout_residual.mean == pytest.approx(0.0, abs=1e-9)
    assert met.phases["NF1"].final_deviation == pytest.approx(2e-3)


def test_the_side_of_the_field_turns_signs_but_not_savings(planted, measured):
    mirrored = savings.savings({**planted, "lateral_deviation": -planted["lateral_deviation"]})
    assert mirrored.initial.ff1 == -measured.initial.ff1
    assert mirrored.initial.difference == pytest.approx(measured.initial.difference)
    assert mirrored.initial.paired_fraction == measured.initial.paired_fraction
    assert mirrored.initial.all_pairs_fraction == measured.initial.all_pairs_fraction
    assert mirrored.rate.ratio == pytest.approx(measured.rate.ratio)
    assert mirrored.washout_residual.mean == pytest.approx(-measured.washout_residual.mean)


def test_swapping_the_field_phases_turns_savings_round(planted, measured):
    swapped = dict(planted)
    names = {"FF1": "FF2", "FF2": "FF1"}
    swapped["phase"] = np.array([names.get(name, name) for name in planted["phase"]])
    other = savings.savings(swapped)
    assert other.initial.difference == pytest.approx(-measured.initial.difference)
    assert other.rate.ratio == pytest.approx(1 / measured.rate.ratio)
    for one, two in ((other.initial, measured.initial), (other.rate, measured.rate)):
        assert one.paired_fraction == pytest.approx(1 - two.paired_fraction)
        assert one.all_pairs_fraction == pytest.approx(1 - two.all_pairs_fraction)
        assert one.p == pytest.approx(two.p)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("networks", [1, 2, 8])
def test_no_change_is_no_savings(networks):
    table = plant(networks=networks, updates=60)
    table = with_phase_copied(with_phase_copied(table, "FF1", "FF2"), "NF1", "NF2")
    summary = savings.savings(table, resamples=500)
    for part in (summary.initial, summary.rate):
        assert part.difference == 0.0 and part.paired_fraction == 0.5 and part.networks == networks
        assert part.p_sign_flip == 1.0
        np.testing.assert_equal([part.p, part.p_holm], [np.nan if networks == 1 else 1.0] * 2)
        assert np.isnan(part.all_pairs_fraction) if networks == 1 else part.all_pairs_fraction == 0.5
    assert summary.rate.ratio == 1.0
    assert summary.washout_residual.mean == 0.0
    np.testing.assert_equal(summary.washout_residual.p, np.nan if networks == 1 else 1.0)
    document = summary.to_dict()
    none = [None, None]
    assert document["savings"]["initial"]["ci"] == (none if networks == 1 else [0.0, 0.0])
    assert document["savings"]["rate"]["ci"] == (none if networks == 1 else [1.0, 1.0])


@pytest.mark.filterwarnings("error")
def test_networks_without_variance_and_single_networks_give_limits():
    same = plant(networks=4, updates=60, noise=0.0, spread=0.0)
    summary = savings.savings(same, resamples=500)
    assert summary.initial.ci == pytest.approx((0.001, 0.001)) and summary.initial.p == 0.0
    assert summary.to_dict()["savings"]["initial"]["t"] is None
    assert summary.initial.p_sign_flip == 2 / 2**4
    assert summary.rate.ratio == pytest.approx(1.2, rel=1e-4)
    one = savings.savings(plant(networks=1, updates=60)).to_dict()["savings"]["initial"]
    assert one["difference"] == pytest.approx(0.001, abs=1e-3)
    assert one["p"] is None and one["ci"] == [None, None] and one["networks"] == 1


def test_networks_whose_fit_fails_are_left_out_in_pairs_and_named():
    table = plant(networks=6, updates=100)
    ff1 = table["phase"] == "FF1"
    table["lateral_deviation"][ff1 & (table["network"] == 2)] = 0.03
    growing = ff1 & (table["network"] == 4)
    table["lateral_deviation"][growing] = 0.06 - table["lateral_deviation"][growing]
    rate = savings.savings(table, resamples=500).rate
    assert rate.networks == 4
    assert rate.failures == (
        "network 2, FF1: the curve is constant",
        "network 4, FF1: the deviation grows",
    )
    keep = ~np.isin(table["network"], [2, 4])
    without = savings.savings(rows(table, keep), resamples=500).rate
    assert (without.ff1, without.ratio, without.ci) == (rate.ff1, rate.ratio, rate.ci)


def test_no_fit_at_all_gives_no_rate():
    rate = savings.savings(plant(networks=3, updates=10), resamples=200).to_dict()["savings"]["rate"]
    assert rate["networks"] == 0 and len(rate["failures"]) == 6
    assert rate["ff1"] is rate["ratio"] is rate["p"] is rate["paired_fraction"] is None


def test_rates_are_compared_over_the_trials_that_both_phases_have(planted, measured):
    short = rows(planted, (planted["phase"] != "FF2") | (planted["update"] < 100))
    both = rows(planted, ~np.isin(planted["phase"], ["FF1", "FF2"]) | (planted["update"] < 100))
    assert savings.savings(short).rate == savings.savings(both).rate != measured.rate


def test_the_summary_is_json_with_the_promised_keys(measured):
    document = measured.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document["phases"]) == list(PHASES)
    for phase in PHASES:
        assert {"trials", "initial_deviation", "final_deviation"} <= set(document["phases"][phase])
    assert document["intervals"]["mean"] == "t" and document["intervals"]["confidence"] == 0.95
    assert document["savings"]["missing"] == ""
    shared = {"ff1", "ff2", "ci", "p", "p_holm", "paired_fraction", "all_pairs_fraction", "all_pairs_ci"}
    assert shared | {"difference"} <= set(document["savings"]["initial"])
    assert shared | {"ratio"} <= set(document["savings"]["rate"])
    assert {"mean", "ci", "p"} <= set(document["washout_residual"])
    assert {"mean", "ci", "p"} <= set(document["after_effect"])


def test_equal_seeds_give_equal_summaries_and_seeds_only_draw_sign_flips(planted, measured):
    assert savings.savings(planted) == measured
    table = plant(networks=16, updates=30, noise=5e-3)  # too many networks for all sign patterns
    first, other = (savings.savings(table, seed=seed, resamples=200).initial for seed in (0, 1))
    assert first.p_sign_flip != other.p_sign_flip
    assert dataclasses.replace(first, p_sign_flip=other.p_sign_flip) == other


def test_the_two_claims_of_savings_are_corrected_together(measured):
    p = [measured.initial.p, measured.rate.p]
    assert [measured.initial.p_holm, measured.rate.p_holm] == pytest.approx(list(holm(p)))
    assert max(measured.initial.p_holm, measured.rate.p_holm) == pytest.approx(max(2 * min(p), max(p)))
    unfitted = savings.savings(plant(networks=3, updates=10))  # without rates there is one claim
    assert unfitted.initial.p_holm == unfitted.initial.p and np.isnan(unfitted.rate.p_holm)


def test_a_start_that_is_faster_than_one_rate_is_reported():
    table = plant(noise=0.0)
    for side in (1.0, -1.0):
        rate = savings.savings({**table, "lateral_deviation": side * table["lateral_deviation"]}).rate
        assert rate.ff1_start_residual == pytest.approx(0.0, abs=1e-5)  # a window is almost a point
        fast = np.where(table["phase"] == "FF1", 0.004 * np.exp(-table["trial"] / 30.0), 0.0)
        both = {**table, "lateral_deviation": side * (table["lateral_deviation"] + fast)}
        rate = savings.savings(both).rate
        assert 0.001 < rate.ff1_start_residual < 0.004
        assert rate.ff2_start_residual == pytest.approx(0.0, abs=1e-5)


def test_an_interrupted_run_has_the_sections_of_its_phases(planted, measured):
    part = rows(planted, np.isin(planted["phase"], ["NF1", "FF1", "NF2"]))
    with pytest.raises(ValueError, match=r"expected \['NF1', 'FF1', 'NF2', 'FF2'\]; partial=True"):
        savings.savings(part)
    summary = savings.savings(part, partial=True)
    assert summary.initial is summary.rate is summary.phases["FF2"] is None
    assert summary.missing == "no phase named FF2; the table has NF1, FF1, NF2"
    assert summary.washout_residual == measured.washout_residual
    assert summary.phases["FF1"] == measured.phases["FF1"]
    first = savings.savings(rows(planted, planted["phase"] == "NF1"), partial=True).to_dict()
    assert first["savings"]["initial"] is first["savings"]["rate"] is None
    assert first["washout_residual"] is first["after_effect"] is None
    json.dumps(first, allow_nan=False)


def test_phases_of_other_names_are_said_to_have_no_savings(planted):
    renamed = {"NF1": "rest", "FF1": "field", "NF2": "wash", "FF2": "again"}
    other = {**planted, "phase": np.array([renamed[name] for name in planted["phase"]])}
    with pytest.raises(ValueError, match=r"phases \['rest', 'field', 'wash', 'again'\], expected \['NF1'"):
        savings.savings(other)
    summary = savings.savings(other, partial=True)
    assert summary.missing == "no phase named FF1 or FF2; the table has rest, field, wash, again"
    assert summary.networks == 12 and summary.initial is summary.after_effect is None
    assert summary.to_dict()["savings"]["missing"] == summary.missing


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window must be a whole number of at least 1, got 0"),
        ({"confidence": 95}, "confidence is 95, expected a number between 0 and 1"),
        ({"resamples": 5}, "resamples must be a whole number of at least 100, got 5"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
    ],
)
def test_bad_options_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        savings.savings(plant(networks=2, updates=30), **options)
