"""Tables in the terminal show every cell in full, however narrow the terminal is."""

from experiments.runs.tables import print_table


def test_no_cell_is_cut_in_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    cells = ["recurrent-ppo-gru (carried)", "no savings shown; worse in FF2 (rate)", "x" * 40]
    print_table("Title", ("agent", "verdict", "long"), [cells])
    printed = capsys.readouterr().out
    assert all(cell in printed for cell in cells) and printed.startswith("Title")
