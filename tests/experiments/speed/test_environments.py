"""The speed of the environments: everything promised is measured; nothing is asserted about time."""

import pytest

from experiments.speed import environments


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "SIZES", (2, 3))
    monkeypatch.setattr(environments, "FEW", 2)
    monkeypatch.setattr(environments, "MANY", 3)


def test_a_quick_run_measures_everything(tiny: None) -> None:
    pytest.importorskip("stable_baselines3")
    results = environments.measure_environments(quick=True)
    parts = results["env"]
    assert set(parts["vector"]) == {"2", "3"} and set(parts["vector"]["3"]) == {"null", "curl"}
    ratios = [value for by_field in parts["vector"].values() for value in by_field.values()]
    assert results["vector_step_vs_bare"] == max(ratios) and min(ratios) > 0
    assert results["single_step_vs_bare"] == max(parts["single"].values())
    ours = {"ReachVectorEnv", "ReachVecEnv"}
    assert set(parts["steps_per_second"]["3"]) == ours
    others = {"SyncVectorEnv", "AsyncVectorEnv", "DummyVecEnv", "SubprocVecEnv"}
    assert set(parts["steps_per_second"]["2"]) == ours | others
    lines = environments.report_rows(results)
    assert set(parts["session"]) == {"1", "2", "3"} and min(parts["session"].values()) > 0
    assert len(lines) == 4 + 2 + 3 + 6 + 2 and all(isinstance(cell, str) for line in lines for cell in line)
    assert environments.report_rows({}) == []


def test_without_sb3_its_environments_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "find_spec", lambda name: None)
    assert set(environments.vector_environments(2)) == {"ReachVectorEnv", "SyncVectorEnv", "AsyncVectorEnv"}
