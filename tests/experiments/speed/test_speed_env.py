"""The benchmark of the environments measures what it promises; nothing is asserted on time."""

import numpy as np
import pytest

from experiments.speed import env as speed_env


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_env, "SIZES", (2, 3))
    monkeypatch.setattr(speed_env, "FEW", 2)
    monkeypatch.setattr(speed_env, "MANY", 3)


def test_a_quick_run_measures_everything(tiny: None) -> None:
    pytest.importorskip("stable_baselines3")
    found = speed_env.measure_env(quick=True)
    parts = found["env"]
    assert set(parts["vector"]) == {"2", "3"} and set(parts["vector"]["3"]) == {"null", "curl"}
    ratios = [value for by_field in parts["vector"].values() for value in by_field.values()]
    assert found["vector_step_vs_bare"] == max(ratios) and min(ratios) > 0
    assert found["single_step_vs_bare"] == max(parts["single"].values())
    ours = {"ReachVectorEnv", "ReachVecEnv"}
    assert set(parts["steps_per_second"]["3"]) == ours
    others = {"SyncVectorEnv", "AsyncVectorEnv", "DummyVecEnv", "SubprocVecEnv"}
    assert set(parts["steps_per_second"]["2"]) == ours | others
    lines = speed_env.rows(found)
    assert len(lines) == 4 + 2 + 6 + 2 and all(isinstance(cell, str) for line in lines for cell in line)
    assert speed_env.rows({}) == []


def test_without_sb3_its_environments_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_env, "find_spec", lambda name: None)
    assert set(speed_env._environments(2)) == {"ReachVectorEnv", "SyncVectorEnv", "AsyncVectorEnv"}


def test_only_the_run_is_timed() -> None:
    calls: list[str] = []
    task = speed_env._timed(lambda: calls.append("run"), lambda: calls.append("before"))
    assert task() >= 0.0 and calls == ["before", "run"]
    stepped: list[float] = []
    speed_env._trial(lambda action: stepped.append(float(action.sum())), np.ones((3, 2)))()
    assert stepped == [2.0] * 3
