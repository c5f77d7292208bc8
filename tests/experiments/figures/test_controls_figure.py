"""The tables of the figure of controls leave out what other figures own, and nothing else."""

import copy

import pytest

from experiments.controls.table import sections
from experiments.figures.controls import OF_SHAMS, PRACTICE, tables_of


def estimate(mean, p=0.01):
    return {"mean": mean, "ci": [mean - 0.5, mean + 0.5], "p": p}


def compared(difference, p, p_holm):
    ends = [difference - 1e-4, difference + 1e-4]
    initial = {"difference": difference, "ci": ends, "p": p, "p_holm": p_holm}
    rate = {"ratio": 1.2, "difference": 1e-4, "ci": [1.1, 1.3], "p": 0.25, "p_holm": 0.26}
    return {"initial": initial, "rate": rate}


def row(name, sham, p, beyond_p=None):
    shift = {key: estimate(0.5) for key in ("retained", "common", "length", "ff1_on_main", "nf2_on_main")}
    if beyond_p is not None:
        shift["beyond_sham"] = estimate(0.07, beyond_p)
    return {
        "name": name, "tests": "What?", "networks": 8, "sham": sham, "meaning": f"About {name}.",
        "ff1_start": estimate(0.03), "ff1_end": estimate(0.0), "ff2_start": estimate(0.03),
        "within": None, "first": None, "mirrored": None, "versus_main": None, "matched": None,
        "practice": None if sham is None else compared(1e-3, p, 2 * p), "updates": [1, 2, 3, 4],
        "washout_residual": {"mean": -1e-4, "ci": [-2e-4, 1e-4], "p": 0.079},
        "after_effect": estimate(-0.03), "shift": shift, "resistance": {},
    }  # fmt: skip


@pytest.fixture
def rows():
    its = [row("main", "sham", 0.011, 0.031), row("sham", None, None), row("mirror", "sham", 0.012, 0.032)]
    its.append(row("opposite", "sham", 0.013, 0.031))  # which shares the phases of the main run before FF2
    return {each["name"]: each for each in its}


def line(table, name):
    (found,) = (each for each in table.splitlines() if each.startswith(f"| {name} |"))
    return found


def test_tests_of_the_main_run_stand_in_the_figure_of_practice(rows):
    before = copy.deepcopy(rows)
    tables = tables_of(rows)
    initial, shift = tables["Controls: initial deviation"], tables["Controls: preparatory activity"]
    assert "1.00 [0.90, 1.10]" in line(initial, "main") and "0.011" not in line(initial, "main")
    assert "| 0.012 | 0.024 |" in line(initial, "mirror") and "| 0.013 | 0.026 |" in line(initial, "opposite")
    assert "0.25" not in line(tables["Controls: learning rate"], "main")
    assert "| 0.25 | 0.26 |" in line(tables["Controls: learning rate"], "mirror")
    assert "0.031" not in shift and "| 0.032 |" in line(shift, "mirror")  # that of opposite is the main run's
    assert "0.070 [" in line(shift, "opposite")
    assert "main" not in tables["Controls: what it means"]
    assert "Controls: stiffness" not in tables
    assert rows == before and rows["main"][PRACTICE]["initial"]["p"] == 0.011


def test_a_sham_keeps_no_shift_of_its_own(rows):
    shift = tables_of(rows)["Controls: preparatory activity"]
    cells = [cell.strip() for cell in line(shift, "sham").strip("|").split("|")]
    assert cells[1] == "-" and cells[2] != "-" and OF_SHAMS in shift
    assert "| main | 0.5" in shift


def test_the_residual_has_the_sign_of_the_study_s(rows):
    assert "residual, NF1 - NF2 (mm)" in sections(list(rows.values()))["Washout"]
    assert "| 0.100 [-0.100, 0.200] | 0.079 |" in line(tables_of(rows)["Controls: washout"], "main")
