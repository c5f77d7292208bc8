"""Tables in the terminal show every cell in full, however narrow the terminal is."""

import pytest

from experiments.runs.tables import format_value, print_table


def test_no_cell_is_cut_in_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    cells = ["recurrent-ppo-gru (carried)", "no savings shown; worse in FF2 (rate)", "x" * 40]
    print_table("Title", ("agent", "verdict", "long"), [cells])
    printed = capsys.readouterr().out
    assert all(cell in printed for cell in cells) and printed.startswith("Title")


@pytest.mark.parametrize(
    ("value", "ci", "unit", "text"),
    [
        (-9.3e-7, (-5.3e-6, 3.4e-6), "mm", "0.000 mm [0.000, 0.000]"),
        (-4.9e-4, (-4.99e-4, 4.99e-4), "mm", "0.000 mm [0.000, 0.000]"),
        (0.0, (0.0, 0.0), "mm", "0 mm [0, 0]"),
        (-4e-5, (None, None), "mm", "0.000 mm"),
        (-4.9e-4, (-5.1e-4, 3e-4), "mm", "-0.000490 mm [-0.000510, 0.000300]"),
        (1.5, (1.41, 1.644), "mm", "1.50 mm [1.41, 1.64]"),
        (-9.3e-7, (-5.3e-6, 3.4e-6), "1", "-9.3e-07 [-5.3e-06, 3.4e-06]"),
        (2e-5, (1e-5, 3e-5), "m/s", "2e-05 m/s [1e-05, 3e-05]"),
    ],
)
def test_lengths_that_round_to_nothing_print_so_and_nothing_else_does(value, ci, unit, text):
    assert format_value(value, ci, unit) == text
