"""The notebooks run, in small, and are committed without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
SMALL = {
    "first_reach": {},
    "own_learner": {"BASELINE": 1, "FIELD": 2, "WASHOUT": 1},
    "inside_network": {"FIELD_UPDATES": 2, "WASHOUT_UPDATES": 1, "MULTIPLES": (0, 1)},
}


def code_cells(name: str) -> list[dict[str, Any]]:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_all_notebooks_are_tried() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_a_notebook_runs_from_top_to_bottom(name: str, monkeypatch, capsys) -> None:
    plt.switch_backend("Agg")
    monkeypatch.chdir(NOTEBOOKS)
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in code_cells(name):
        assert not cell["outputs"] and cell["execution_count"] is None, "commit notebooks without outputs"
        exec(compile("".join(cell["source"]), f"{name}.ipynb", "exec"), names)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert set(SMALL[name]) <= set(names)
            names.update(SMALL[name])
        plt.close("all")
    assert capsys.readouterr().out
