"""A short form of the soak: every condition is finite, inside its space, and the same on two threads."""

import json
import os
import signal

import pytest

from experiments import soak
from experiments.soak import CONDITIONS, Soak, main, memory_growth
from savings_gym.perturbations.fields import _KINDS


def test_a_short_soak_finds_nothing_and_says_what_it_did(tmp_path):
    assert main(["--steps", "12000", "--envs", "10", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "soak.json").read_text())
    assert [file.name for file in tmp_path.iterdir()] == ["soak.json"]
    assert found["steps"] == 12_000 and found["seed"] == 0 and found["faults"] == []
    assert set(found["conditions"]) == set(CONDITIONS) and found["versions"]["mujoco"]
    for seen in found["conditions"].values():
        assert seen["steps"] == 1200 and seen["not_finite"] == seen["outside"] == 0
        assert len(set(seen["digest_by_threads"].values())) == 1 and len(seen["digest_by_threads"]) == 2
        assert seen["largest"]["joint_angle"] > 0.1
    low, high = found["memory"]["interval"]
    assert low <= found["memory"]["slope"] <= high and len(found["memory"]["samples"]) == 200


def test_every_kind_of_field_in_the_module_of_fields_is_soaked():
    own = {kind for kind, cls in _KINDS.items() if cls.__module__ == "savings_gym.perturbations.fields"}
    assert {arguments["field"].kind for arguments in CONDITIONS.values()} == own


def test_what_is_wrong_is_found(tmp_path, monkeypatch, caplog):
    step = soak.Watch.step

    def broken(watch, actions):
        step(watch, actions)
        watch.not_finite += 1
        watch._digest.update(str(watch.env.task.simulation.nthread).encode())

    monkeypatch.setattr(soak.Watch, "step", broken)
    assert main(["--steps", "100", "--envs", "1", "--out", str(tmp_path)]) == 1
    assert "null: 11 steps with values not finite" in caplog.text
    assert "motor: states depend on the number of threads" in caplog.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_soak_says_how_far_it_was(tmp_path, monkeypatch, caplog, number):
    monkeypatch.setattr(soak, "warm_up", lambda config: os.kill(os.getpid(), number))
    assert main(["--steps", "1000", "--envs", "1", "--out", str(tmp_path)]) == 128 + number
    assert "interrupted after 0 of 10 conditions, in null: nothing was written" in caplog.text
    assert not list(tmp_path.iterdir())


def test_memory_that_grows_is_told_from_memory_that_is_level():
    line = [(i * 10_000, 2**28 + i * 2**16) for i in range(50)]
    growth = memory_growth(line)
    assert growth["slope"] == pytest.approx(6.25) and growth["interval"] == pytest.approx([6.25, 6.25])
    assert soak.find_faults({}, 9.0) == ["memory grew by at least 9.0 MiB"] and not soak.find_faults({}, 7.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"steps": 1000}, "steps must be a whole number of at least 5000"), ({"envs": 0}, "envs must be")],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Soak(**arguments)
