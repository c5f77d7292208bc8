"""The estimate of memory covers what a rollout allocates, and too large an ensemble is refused at once."""

import pytest

from agents.supervised import machine_memory, memory
from agents.supervised.machine_memory import free_memory
from agents.supervised.memory import check_learning_memory, learning_memory
from agents.supervised.networks import make_ensemble


def test_the_estimate_is_proportional_to_the_networks_and_grows_with_everything():
    one = learning_memory("gru", 1, 64, 8, fused=True)
    assert learning_memory("gru", 7, 64, 8, fused=True) == 7 * one
    assert learning_memory("gru", 1, 128, 8, fused=True) > one
    assert learning_memory("gru", 1, 64, 32, fused=True) > one
    assert learning_memory("gru", 1, 64, 8, fused=False) > one
    assert learning_memory("lstm", 1, 64, 8, fused=False) > learning_memory("rnn", 1, 64, 8, fused=False)


@pytest.mark.parametrize(("networks", "units", "trials"), [(2, 16, 8), (1, 64, 32)])
def test_the_estimate_covers_parameters_optimiser_and_work_space(networks, units, trials):
    fused = pytest.importorskip("agents.supervised.fused", reason="the fused rollout needs numba")
    import numpy as np

    from agents.supervised.reaches import random_reaches
    from savings_gym.perturbations.fields import NullField

    ensemble = make_ensemble("gru", networks, units, seed=0)
    rollout = fused.FusedRollout()
    trajectory = rollout(ensemble, random_reaches(networks, trials, NullField(), np.random.default_rng(0)))
    kept = sum(array.nbytes for array in rollout.work.values())
    series = sum(getattr(trajectory, name).nbytes for name in ("hand", "velocity", "force", "hidden"))
    parameters = sum(parameter.nbytes for parameter in ensemble.parameters())
    estimate = learning_memory("gru", networks, units, trials, fused=True)
    assert 4 * parameters + kept + series < estimate < 4 * (4 * parameters + kept + series)


@pytest.mark.parametrize(("networks", "units", "trials"), [(10**6, 8, 8), (1, 10**6, 8), (1, 8, 10**9)])
def test_more_than_there_is_is_refused_with_both_numbers(networks, units, trials):
    with pytest.raises(
        ValueError, match=f"{networks} networks of {units} units.*need about [0-9,]+.. GB.*avail"
    ):
        check_learning_memory("gru", networks, units, trials)


def test_what_fits_is_not_refused_and_the_limit_is_that_of_the_system(monkeypatch):
    check_learning_memory("gru", 40, 128, 32)
    needed = learning_memory("gru", 40, 128, 32, fused=True)
    for free, fits in ((needed, True), (needed - 1, False), (None, True)):
        monkeypatch.setattr(memory, "available_memory", lambda device, free=free: free)
        if fits:
            check_learning_memory("gru", 40, 128, 32)
        else:
            with pytest.raises(ValueError, match="on cpu, so choose fewer"):
                check_learning_memory("gru", 40, 128, 32)


def test_a_container_has_less_than_its_machine(monkeypatch, tmp_path):
    free = free_memory()
    assert free is None or free > 0
    (tmp_path / "memory.max").write_text("5000000\n")
    (tmp_path / "memory.current").write_text("3000000\n")
    (tmp_path / "memory.stat").write_text("anon 1000000\ninactive_file 1500000\n")
    monkeypatch.setattr(machine_memory, "CGROUP", tmp_path)
    assert free_memory() == 3_500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() != 3_500_000
