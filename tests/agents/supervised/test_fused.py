"""The fused rollout is the plain rollout, with all its gradients."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.supervised.learner import FROZEN, Learning, SupervisedLearner, make_rollout, run_sessions
from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import STUDY_DELAYS, centre_out, random_reaches
from agents.supervised.rollout import Trajectory, plain_rollout
from agents.supervised.torch_arm import TorchArm
from savings_gym.activity.displacement import Displacement
from savings_gym.perturbations.fields import ChannelField, CurlField, ElasticField
from savings_gym.task.settings import Delays, Noise

fused = pytest.importorskip("agents.supervised.fused", reason="the fused rollout needs numba")
kernel_threads = pytest.importorskip("agents.kernels.threads")

SERIES = [field.name for field in dataclasses.fields(Trajectory) if field.name != "memory"]
EVERYTHING = CurlField(8.0) + ElasticField(20.0, onset="start") + ElasticField(-9.0, (0.1, 0.5), onset="cue")
LOUD = Noise(excitation=0.01, proprioception=0.02, vision=0.005)


def lively(units=32, networks=2, dtype=torch.float64):
    """Networks with active muscles and no parameter at zero."""
    ensemble = make_ensemble("gru", networks, units, seed=1, dtype=dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        ensemble.readout_bias += 2.5
        for name, size in {"recurrent_bias": 0.1, "input_bias": 0.1, "initial": 0.2}.items():
            parameter = getattr(ensemble, name)
            parameter += size * torch.randn(parameter.shape, generator=generator, dtype=dtype)
    return ensemble


def batch(field=EVERYTHING, delays=Delays(), noise=LOUD, networks=2, seed=0, dtype=torch.float64):  # noqa: B008
    rng = np.random.default_rng(seed)
    return centre_out(networks, field, rng, probe=False, noise=noise, delays=delays, dtype=dtype)


def a_number_of_everything(trajectory):
    """Depends on every value of every series, each in its own way."""
    generator, total = torch.Generator().manual_seed(1), 0.0
    for name, size in {"hand": 1.0, "velocity": 0.3, "force": 0.01, "excitation": 1.0, "hidden": 0.1}.items():
        series = getattr(trajectory, name)
        weights = torch.randn(series.shape, generator=generator, dtype=torch.float64)
        total = total + size * (series * weights.to(series.dtype)).sum()
    return total


def plain(ensemble, reaches):
    return plain_rollout(ensemble, TorchArm(dtype=ensemble.initial.dtype), reaches)


def with_gradients(run, ensemble, reaches):
    trajectory = run(ensemble, reaches)
    parameters = {name: p for name, p in ensemble.named_parameters() if p.requires_grad}
    grads = torch.autograd.grad(a_number_of_everything(trajectory), list(parameters.values()))
    return trajectory, dict(zip(parameters, grads, strict=True))


def assert_same(ours, theirs, bound):
    """The largest difference is within the bound, relative to the largest value."""
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    assert (ours - theirs).abs().max() <= bound * theirs.abs().max()


@pytest.mark.parametrize(
    ("field", "delays", "units"),
    [
        (EVERYTHING, Delays(), 32),
        (ChannelField(), Delays(0.02, 0.05), 33),
        (CurlField(-8.0), Delays(0.0, 0.0), 7),
        (CurlField(8.0, onset="cue"), STUDY_DELAYS, 31),
        (EVERYTHING, Delays(0.06, 0.02, cue=0.11), 8),
    ],
    ids=["everything", "felt after seen", "no delay", "as the study's code", "late cue"],
)
def test_trajectory_and_gradients_are_those_of_the_plain_rollout(field, delays, units):
    ensemble, reaches = lively(units), batch(field, delays)
    trajectory, grads = with_gradients(fused.FusedRollout(), ensemble, reaches)
    expected, expected_grads = with_gradients(plain, ensemble, reaches)
    assert np.ptp(expected.hand.detach().numpy(), axis=1).max() > 0.05  # m, they move
    for name in SERIES:
        assert_same(getattr(trajectory, name), getattr(expected, name), 1e-7)
    assert set(grads) == set(expected_grads) == set(fused.PARAMETERS)
    for name, grad in expected_grads.items():
        assert grad.abs().amax(tuple(range(1, grad.ndim))).min() > 0, name  # both networks learn everything
        assert_same(grads[name], grad, 1e-6)  # tanh is fitted to 1e-11, and a stiff channel amplifies that


@pytest.mark.parametrize("trials", [1, 11])
def test_any_number_of_trials_is_that_of_the_plain_rollout(trials):
    ensemble, rng = lively(7), np.random.default_rng(0)
    reaches = random_reaches(2, trials, EVERYTHING, rng, noise=LOUD, dtype=torch.float64)
    trajectory, grads = with_gradients(fused.FusedRollout(), ensemble, reaches)
    expected, expected_grads = with_gradients(plain, ensemble, reaches)
    for name in SERIES:
        assert_same(getattr(trajectory, name), getattr(expected, name), 1e-7)
    for name, grad in expected_grads.items():
        assert_same(grads[name], grad, 1e-6)


@pytest.mark.parametrize("step", [0, 16, 99])
def test_a_displacement_does_what_it_does_in_the_plain_rollout(step):
    ensemble, reaches = lively(7), batch()
    vector = np.random.default_rng(0).normal(size=(2, 8, 7))
    vector[1, 3] = 0.0
    displacement, memory = Displacement(step, vector), ensemble.initial_state(8)
    with torch.no_grad():
        still = fused.FusedRollout()(ensemble, reaches)
        ours = fused.FusedRollout()(ensemble, reaches, displacement=displacement)
        expected = plain_rollout(ensemble, TorchArm(dtype=torch.float64), reaches, displacement, memory)
    for name in SERIES:
        assert_same(getattr(ours, name), getattr(expected, name), 1e-7)
    differs = (ours.hidden != still.hidden).any(-1)  # (n, T, m)
    assert not differs[:, :step].any() and not differs[1, :, 3].any() and differs[:, step].sum() == 15
    with pytest.raises(ValueError, match="no gradients of displaced trials"):
        fused.FusedRollout()(ensemble, reaches, displacement=displacement)


def test_motors_are_those_of_the_plain_rollout():
    ensemble, reaches = lively(), batch()
    trajectory, grads = with_gradients(fused.FusedRollout("motor"), ensemble, reaches)
    arm = TorchArm(dtype=torch.float64, actuation="motor")
    expected, expected_grads = with_gradients(
        lambda *given: plain_rollout(given[0], arm, given[1]), ensemble, reaches
    )
    muscles = plain(ensemble, reaches)
    assert (expected.force - muscles.force).abs().max() > 1.0  # N
    for name in SERIES:
        assert_same(getattr(trajectory, name), getattr(expected, name), 1e-7)
    for name, grad in expected_grads.items():
        assert_same(grads[name], grad, 1e-6)


def test_a_changed_arm_is_that_of_the_plain_rollout():
    changes = {"strength": {"biceps": 0.5}, "length": {"upper_arm": 1.2}, "mass": {"forearm": 1.5}}
    ensemble, arm = lively(), TorchArm(dtype=torch.float64, arm=changes)
    rng = np.random.default_rng(0)
    reaches = centre_out(2, EVERYTHING, rng, probe=False, noise=LOUD, dtype=torch.float64, arm=arm.arm)
    start = torch.tensor(arm.arm.hand_position(arm.arm.start))
    assert torch.allclose(reaches.start, start) and not torch.allclose(batch().start, start)
    run = make_rollout(ensemble, arm, "fused")
    trajectory, grads = with_gradients(run, ensemble, reaches)
    expected, expected_grads = with_gradients(
        lambda *given: plain_rollout(given[0], arm, given[1]), ensemble, reaches
    )
    assert (expected.hand - plain(ensemble, reaches).hand).abs().max() > 0.01  # m, another arm
    for name in SERIES:
        assert_same(getattr(trajectory, name), getattr(expected, name), 1e-7)
    for name, grad in expected_grads.items():
        assert_same(grads[name], grad, 1e-6)
    learner = SupervisedLearner(ensemble, arm=changes)
    assert learner.arm.arm is arm.arm and (learner.run.arm[1] == run.arm[1]).all()


def test_without_gradients_the_trajectory_is_the_same():
    ensemble, reaches = lively(), batch()
    run = fused.FusedRollout()
    learning = run(ensemble, reaches)
    with torch.no_grad():
        probing = run(ensemble, reaches)
    assert learning.hand.requires_grad and not probing.hand.requires_grad
    for name in SERIES:
        assert torch.equal(getattr(learning, name), getattr(probing, name)), name


def test_an_update_in_float32_agrees_with_the_plain_one_to_rounding():
    weights = []
    for path in ("fused", "plain"):
        ensemble = lively(dtype=torch.float32)
        learner = SupervisedLearner(ensemble, Learning("sgd", rate=0.1), path)
        learner.update(batch(dtype=torch.float32, noise=Noise()))
        weights.append({name: p.detach().clone() for name, p in ensemble.named_parameters()})
    before = dict(lively(dtype=torch.float32).named_parameters())
    for name, ours in weights[0].items():
        step = (weights[1][name] - before[name]).abs().max()
        assert step > 1e-6, name
        assert (ours - weights[1][name]).abs().max() < 1e-3 * step + 3e-7, (
            name
        )  # 3e-7: rounding of a weight of 5


def test_frozen_parameters_get_no_gradient_and_change_no_other():
    ensemble, reaches = lively(), batch()
    _, all_grads = with_gradients(fused.FusedRollout(), ensemble, reaches)
    ensemble.freeze(*FROZEN)
    a_number_of_everything(fused.FusedRollout()(ensemble, reaches)).backward()
    for name, parameter in ensemble.named_parameters():
        if name in FROZEN:
            assert parameter.grad is None, name
        else:
            assert torch.equal(parameter.grad, all_grads[name]), name


def test_the_number_of_threads_changes_nothing(tmp_path):
    """Each number in a process of its own: these tests may have been started with one thread."""
    numbers = (1, 2)
    for threads in numbers:
        write = f"import test_fused; test_fused.write_three_networks({str(tmp_path / str(threads))!r})"
        environment = os.environ | {"NUMBA_NUM_THREADS": str(threads)}
        subprocess.run([sys.executable, "-c", write], cwd=Path(__file__).parent, env=environment, check=True)
    one, two = (torch.load(tmp_path / str(threads)) for threads in numbers)
    assert [each.pop("threads") for each in (one, two)] == [*numbers]
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def write_three_networks(path):
    """Write what three networks do, with all gradients, and with how many threads."""
    trajectory, grads = with_gradients(fused.FusedRollout(), lively(networks=3), batch(networks=3))
    series = {name: getattr(trajectory, name).detach() for name in SERIES}
    torch.save(series | grads | {"threads": kernel_threads.threads()}, path)


def test_a_network_does_not_depend_on_the_others():
    ensemble, reaches = lively(networks=3), batch(networks=3)
    together = fused.FusedRollout()(ensemble, reaches)

    def only(i):
        parts = {f.name: getattr(reaches, f.name) for f in dataclasses.fields(reaches)}
        for name, part in parts.items():
            if isinstance(part, torch.Tensor):
                parts[name] = part[[i]]
            elif name == "fields":
                parts[name] = tuple(tuple(term[[i]] for term in field) for field in part)
        return type(reaches)(**parts)

    for i in range(3):
        alone = fused.FusedRollout()(ensemble.select(i), only(i))
        for name in SERIES:
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[i]), name


def test_a_rollout_must_be_differentiated_before_the_next():
    ensemble, reaches, run = lively(), batch(), fused.FusedRollout()
    first, second = run(ensemble, reaches), run(ensemble, reaches)
    with torch.no_grad():
        run(ensemble, reaches)  # a probe between may be
    with pytest.raises(RuntimeError, match="before the next one"):
        first.hand.sum().backward()
    second.hand.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="before the next one"):
        second.hand.sum().backward()  # its work space was used up


def test_the_fast_path_is_chosen_where_it_can_be():
    arm = TorchArm()
    assert isinstance(make_rollout(make_ensemble("gru", 1, 4, seed=0), arm), fused.FusedRollout)
    lstm = make_ensemble("lstm", 1, 4, seed=0)
    assert not fused.supports(lstm) and not isinstance(make_rollout(lstm, arm), fused.FusedRollout)
    with pytest.raises(ValueError, match="lstm"):
        make_rollout(lstm, arm, "fused")
    assert make_rollout(make_ensemble("gru", 1, 4, seed=0), TorchArm(actuation="motor")).arm[1][0, -1] == 1.0
    with pytest.raises(ValueError, match=r"rollout must be one of \('auto', 'fused', 'plain'\), got 'fast'"):
        make_rollout(lstm, arm, "fast")


def sessions(trials=3):
    fields = (EVERYTHING, CurlField(-8.0), ChannelField())
    return [batch(field, seed=seed) for seed, field in enumerate(fields[:trials])]


def test_sessions_carry_memory_and_gradients_like_the_plain_rollout():
    ensemble, trials = lively(), sessions()
    results = []
    for kind in ("fused", "plain"):
        run = make_rollout(ensemble, TorchArm(dtype=torch.float64), kind)
        trajectories = run_sessions(run, ensemble, trials)
        parameters = dict(ensemble.named_parameters())
        total = sum(a_number_of_everything(each) for each in trajectories)
        grads = torch.autograd.grad(total, list(parameters.values()))
        results.append((trajectories, dict(zip(parameters, grads, strict=True))))
    (ours, our_grads), (theirs, their_grads) = results
    for trial, expected in zip(ours, theirs, strict=True):
        for name in SERIES:
            assert_same(getattr(trial, name), getattr(expected, name), 1e-7)
    for name, grad in their_grads.items():
        assert_same(our_grads[name], grad, 1e-6)
    alone = fused.FusedRollout()(ensemble, trials[1])
    assert (alone.hidden - ours[1].hidden).abs().max() > 1e-3  # it began elsewhere


def test_a_session_of_one_trial_is_a_batch_of_trials():
    weights = []
    for trials in (sessions(1), [batch()]):
        ensemble = lively()
        SupervisedLearner(ensemble, Learning("sgd", rate=0.1)).update(*trials)
        weights.append([parameter.detach() for parameter in ensemble.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_a_slice_of_a_batch_needs_no_other_kernel():
    reaches, ensemble = batch(), lively()
    names = ("observation_noise", "excitation_noise")
    sliced = {name: getattr(reaches, name)[:, :25] for name in names}
    assert not any(noise.is_contiguous() for noise in sliced.values())
    whole = {name: noise.contiguous() for name, noise in sliced.items()}
    kernels = fused.numba_gru.forward, fused.numba_gru_vjp.backward
    one, grads = with_gradients(fused.FusedRollout(), ensemble, dataclasses.replace(reaches, **whole))
    compiled = [list(kernel.signatures) for kernel in kernels]
    other, same = with_gradients(fused.FusedRollout(), ensemble, dataclasses.replace(reaches, **sliced))
    assert torch.equal(one.hand, other.hand)
    assert all(torch.equal(grad, same[name]) for name, grad in grads.items())
    assert [list(kernel.signatures) for kernel in kernels] == compiled


def test_sessions_of_different_sizes_are_refused():
    small = random_reaches(2, 3, EVERYTHING, np.random.default_rng(0), dtype=torch.float64)
    with pytest.raises(ValueError, match=r"one size, got \[\(2, 3\), \(2, 8\)\]"):
        run_sessions(fused.FusedRollout(), lively(), [batch(), small])
