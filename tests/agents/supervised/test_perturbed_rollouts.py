"""Visual perturbations and time courses in both rollouts: as in MuJoCo, with the right gradients."""

import dataclasses

import numpy as np
import pytest
import torch
from lively_networks import SILENCE, lively

from agents.supervised.learner import SupervisedLearner
from agents.supervised.losses import loss_terms
from agents.supervised.policy import mujoco_probe
from agents.supervised.reaches import centre_out
from agents.supervised.rollout import plain_rollout, scored_path
from agents.supervised.torch_arm import TorchArm
from experiments.stored.probes import tiled
from savings_gym import (
    AssistiveField,
    ConstantField,
    CurlField,
    ElasticField,
    ErrorAugmentation,
    ForTargets,
    MirrorReversal,
    Noise,
    NullField,
    PositionField,
    Pulse,
    Ramp,
    Scaled,
    VisualClamp,
    VisualGain,
    VisualShift,
    VisuomotorRotation,
)
from savings_gym.task.settings import Delays

fused = pytest.importorskip("agents.supervised.fused", reason="the fused rollout needs numba")

EVERYTHING = (
    VisuomotorRotation(30.0)
    + CurlField(8.0)
    + Pulse(VisualShift((0.02, 0.0)), 0.1, 0.15)
    + Ramp(ConstantField((1.0, 0.0)), 0.2)
    + Pulse(ElasticField(30.0), 0.05, 0.2)
    + ForTargets(VisualGain(1.5), (0.0, 90.0))
)
ROBOTS = (
    MirrorReversal(30.0)
    + Scaled(PositionField(20.0), 0.5)
    + AssistiveField(40.0, 5.0)
    + Pulse(ErrorAugmentation(30.0), 0.1, 0.2)
)
CLAMP = VisualGain(1.5) + VisualClamp(20.0, onset="go", scored="cursor")
ROTATION = {"rotation": VisuomotorRotation(30.0)}
SUMS = {"everything": EVERYTHING, "robots": ROBOTS, "clamp": CLAMP}


def batch(perturbation, seed=0, noise=Noise(), delays=Delays(), probe=True):  # noqa: B008
    rng = np.random.default_rng(seed)
    return centre_out(2, perturbation, rng, probe=probe, noise=noise, delays=delays, dtype=torch.float64)


def loss(run, ensemble, reaches):
    terms = loss_terms(run(ensemble, reaches), reaches)
    return (1e3 * terms["position"] + 0.1 * terms["muscle"]).sum()


def plain(ensemble, reaches):
    return plain_rollout(ensemble, TorchArm(dtype=torch.float64), reaches)


@pytest.mark.parametrize("perturbation", SUMS.values(), ids=SUMS)
def test_networks_move_as_in_mujoco(perturbation):
    ensemble = lively()
    reaches = batch(perturbation, noise=SILENCE)
    with torch.no_grad():
        path = plain(ensemble, reaches).path(reaches.start)
        unperturbed = plain(ensemble, batch(NullField(), noise=SILENCE)).path(reaches.start)
    assert mujoco_probe(ensemble, perturbation, noise=SILENCE) == pytest.approx(path, abs=1e-6)
    assert np.abs(path - unperturbed).max() > 1e-3


@pytest.mark.parametrize("perturbation", SUMS.values(), ids=SUMS)
def test_the_fused_rollout_is_the_plain_one(perturbation):
    ensemble, delays = lively(), Delays(0.03, 0.02)
    reaches = batch(perturbation, delays=delays, probe=False)
    results = []
    for run in (plain, fused.FusedRollout()):
        total = loss(run, ensemble, reaches)
        gradients = torch.autograd.grad(total, list(ensemble.parameters()))
        results.append([total.detach(), *gradients])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() <= 1e-6 * theirs.abs().max()


@pytest.mark.parametrize("perturbation", (ROTATION | SUMS).values(), ids=ROTATION | SUMS)
def test_gradients_through_what_is_seen_are_finite_differences(perturbation):
    ensemble, reaches, run = lively(), batch(perturbation), fused.FusedRollout()
    weights = ensemble.input_weight
    (gradient,) = torch.autograd.grad(loss(run, ensemble, reaches), weights)
    direction = torch.zeros_like(weights)
    direction[:, :, :2] = torch.randn(direction[:, :, :2].shape, generator=torch.Generator().manual_seed(0))
    values, step = [], 1e-5
    for sign in (1.0, -1.0):
        with torch.no_grad():
            weights += sign * step * direction
            values.append(loss(run, ensemble, reaches))
            weights -= sign * step * direction
    slope = float(values[0] - values[1]) / (2.0 * step)
    assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-4)


def test_the_loss_scores_the_cursor_or_the_hand():
    ensemble, turn = lively(), VisuomotorRotation(60.0)
    reaches = batch(turn)
    with torch.no_grad():
        trajectory = plain(ensemble, reaches)
    hand, start = trajectory.path(reaches.start), reaches.start.numpy()[:, :, None]
    angle = np.deg2rad(60.0)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cursor = start + (hand - start) @ rotation.T
    assert scored_path(trajectory, reaches) == pytest.approx(cursor, abs=1e-12)
    away = np.abs(cursor[:, :, 1:] - reaches.goal().numpy().swapaxes(1, 2)).sum(-1).mean((1, 2))
    assert loss_terms(trajectory, reaches)["position"].numpy() == pytest.approx(away)
    by_hand = dataclasses.replace(turn, scored="hand")
    assert scored_path(trajectory, batch(by_hand)) == pytest.approx(hand, abs=0.0)


def test_trials_several_times_over_keep_their_perturbations():
    ensemble, reaches = lively(), batch(EVERYTHING)
    with torch.no_grad():
        once, twice = plain(ensemble, reaches), plain(ensemble, tiled(reaches, 2))
    assert torch.equal(twice.hand[:, :, 8:], twice.hand[:, :, :8])
    assert torch.allclose(twice.hand[:, :, :8], once.hand, atol=1e-12)


def test_networks_learn_to_turn_their_hands():
    reaches, learner = batch(VisuomotorRotation(30.0), probe=False), SupervisedLearner(lively())
    assert isinstance(learner.run, fused.FusedRollout)  # which takes every perturbation
    losses = [float(learner.update(reaches)["position"].sum()) for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]
