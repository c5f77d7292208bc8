"""Controls are changes of the experiment's phases; what is not changed stays as it was, to the last bit."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.supervised.checkpoints import load_ensemble, read_metadata, save_ensemble
from agents.supervised.learner import SupervisedLearner
from agents.supervised.networks import GRUEnsemble, draw_cue, make_ensemble
from agents.supervised.reaches import centre_out, centre_out_targets
from agents.supervised.rollout import plain_rollout
from agents.supervised.torch_arm import TorchArm
from experiments.runs.folder import RunFolder
from experiments.savings.command import main
from experiments.savings.config import Savings, identity
from experiments.savings.experiment import PROBE, TRAIN, FourPhases, Task
from experiments.savings.phases import PhaseChanges, TrainingPhase, resistive
from savings_gym.arm.model import load_arm
from savings_gym.perturbations.fields import CurlField, NullField

PHASES = ("NF1", "FF1", "NF2", "FF2")
SMALL = ["--preset", "smoke", *(f"--{phase.lower()}-updates=3" for phase in PHASES)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Networks to begin with, lively enough to move."""
    path, ensemble = (
        tmp_path_factory.mktemp("weights") / "gru8.safetensors",
        make_ensemble("gru", 2, 8, seed=0),
    )
    with torch.no_grad():
        ensemble.readout_bias += 2.5
    save_ensemble(path, ensemble)
    return path


def run(weights, out, answers=None, **change):
    """Three updates a phase, or until the answers have run out; returns the probes so far."""
    counts = {f"{phase.lower()}_updates": 3 for phase in PHASES}
    config = Savings(networks=2, units=8, keep_every=2, change=PhaseChanges(**change), **counts)
    ensemble = load_ensemble(weights)
    ensemble.freeze(*config.frozen)
    learner = SupervisedLearner(ensemble, config.learning())
    runner = FourPhases(learner, config.phases(), config.task(), RunFolder(out, {}), CurlField(config.b))
    done = runner.run(lambda progress: None, lambda: answers is not None and next(answers, True))
    assert done == (answers is None)
    return runner.folder.table(before=runner.part)


def bias(folder, name):
    return load_ensemble(folder / f"networks_{name}.safetensors").input_bias.detach()


def experiment(folder, phases):
    learner = SupervisedLearner(make_ensemble("gru", 2, 8, seed=0))
    return FourPhases(learner, phases, Task(seed=3), RunFolder(folder, {}), CurlField(8.0))


def test_without_changes_the_phases_are_those_of_the_study():
    config = Savings(b=-5.0, nf1_updates=1, ff1_updates=2, nf2_updates=3, ff2_updates=4)
    curl = CurlField(-5.0)
    assert config.phases() == [
        TrainingPhase("NF1", NullField(), 1), TrainingPhase("FF1", curl, 2),
        TrainingPhase("NF2", NullField(), 3), TrainingPhase("FF2", curl, 4),
    ]  # fmt: skip


def test_changes_are_of_ff1_and_ff2_alone():
    change = PhaseChanges(ff1_b=3.0, ff2_b=-8.0, ff1_field="resistive", ff1_targets=(1, 4), ff1_turn_deg=90)
    phases = change.phases(8.0, (1, 2, 3, 4))
    assert phases[0] == TrainingPhase("NF1", NullField(), 1)
    assert phases[1] == TrainingPhase("FF1", resistive(3.0), 2, (1, 4), turn=math.pi / 2)
    assert phases[2] == TrainingPhase("NF2", NullField(), 3)
    assert phases[3] == TrainingPhase("FF2", CurlField(-8.0), 4)


def test_a_batch_draws_what_it_always_drew_whatever_its_targets(tmp_path):
    """Batches and probes are of (seed, 2 + phase, update, stream), for one seed gives one result."""
    one = TrainingPhase("FF1", CurlField(8.0), 5)
    other = TrainingPhase("FF1", CurlField(8.0), 5, targets=(2, 5, 7), reach=0.05)
    runner = experiment(tmp_path, [one, one])
    runner.phase, runner.update = 1, 4
    ours = runner._batch(one)
    theirs = centre_out(2, CurlField(8.0), np.random.default_rng((3, 3, 4, TRAIN)), probe=False)
    for name in ("q0", "target", "go_step", "observation_noise", "excitation_noise"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    changed = runner._batch(other)
    for name in ("q0", "go_step", "observation_noise", "excitation_noise"):
        assert torch.equal(getattr(ours, name), getattr(changed, name)), name
    rng = np.random.default_rng((3, 3, 4, PROBE))
    assert torch.equal(
        runner._reaches(one.field, PROBE).observation_noise,
        centre_out(2, one.field, rng, probe=True).observation_noise,
    )


def test_chosen_targets_are_trained_equally_often_at_their_distance_and_angle():
    start = load_arm("muscle").hand_position(load_arm("muscle").start)
    phase = TrainingPhase("FF1", NullField(), 3, targets=(6, 0, 1), reach=0.05, turn=math.radians(22.5))
    batches = np.concatenate([phase.training_targets(update) for update in range(3)]) - start
    assert np.linalg.norm(batches, axis=1) == pytest.approx(0.05)
    angles, counts = np.unique(np.rad2deg(np.arctan2(*batches.T[::-1])).round(6), return_counts=True)
    assert angles == pytest.approx([-67.5, 22.5, 67.5]) and (counts == 8).all()
    whole = TrainingPhase("FF1", NullField(), 3)
    assert all((whole.training_targets(update) == centre_out_targets()).all() for update in range(3))


def test_a_control_shares_everything_before_its_change(weights, tmp_path):
    plain = run(weights, tmp_path / "plain")
    sham = run(weights, tmp_path / "sham", ff1_b=0.0)
    for phase, same in (("NF1", True), ("FF1", False)):
        one, other = (table[table.phase == phase] for table in (plain, sham))
        assert one.equals(other) == same
    opposite = run(weights, tmp_path / "opposite", ff2_b=-8.0)
    before = plain.phase != "FF2"
    assert plain[before].equals(opposite[before]) and not plain[~before].equals(opposite[~before])


def test_probes_keep_the_standard_reaches_whatever_is_trained(weights, tmp_path):
    plain = run(weights, tmp_path / "plain")
    few = run(weights, tmp_path / "few", ff1_targets=(0, 2), ff1_reach=0.06)
    first = (plain.phase == "NF1") | ((plain.phase == "FF1") & (plain["update"] == 0))
    assert plain[first].equals(few[first]) and len(few) == len(plain)
    assert set(few[few.phase == "FF1"].target) == set(range(8))


class WithCue(GRUEnsemble):
    """The same networks with a true 18th input, which is constant."""

    def step(self, inputs, state):
        one = torch.full((*inputs.shape[:2], 1), self.cue, dtype=inputs.dtype)
        return super().step(torch.cat([inputs, one], -1), state)


def test_a_cue_in_the_input_bias_is_a_constant_input_of_its_own():
    ensemble = make_ensemble("gru", 3, 16, seed=0, dtype=torch.float64)
    wider = WithCue(3, 16, seed=0, inputs=18, dtype=torch.float64)
    wider.cue = 0.7
    weights = draw_cue(ensemble, seed=5)
    with torch.no_grad():
        ensemble.readout_bias += 2.5
        for name, value in ensemble.named_parameters():
            wide = torch.cat([value, weights[..., None]], -1) if name == "input_weight" else value
            getattr(wider, name).copy_(wide)
        ensemble.input_bias += 0.7 * weights
        reaches = centre_out(3, CurlField(8.0), np.random.default_rng(0), probe=True, dtype=torch.float64)
        cut = {name: getattr(reaches, name)[:, :12] for name in ("observation_noise", "excitation_noise")}
        reaches = type(reaches)(**(vars(reaches) | cut))
        ours, theirs = (
            plain_rollout(one, TorchArm(dtype=torch.float64), reaches) for one in (ensemble, wider)
        )
    assert ours.hidden.numpy() == pytest.approx(theirs.hidden.numpy(), abs=1e-13)
    assert ours.hand.numpy() == pytest.approx(theirs.hand.numpy(), abs=1e-13)


def test_cue_weights_are_xavier_uniform_and_the_seeds_and_networks_own():
    drawn = draw_cue(make_ensemble("gru", 4, 128, seed=0), seed=1)
    bound = math.sqrt(6 / (18 + 3 * 128))
    assert drawn.shape == (4, 384) and drawn.abs().max() <= bound
    assert drawn.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[:2], draw_cue(make_ensemble("gru", 2, 128, seed=9), seed=1))
    assert not torch.equal(drawn, draw_cue(make_ensemble("gru", 4, 128, seed=0), seed=2))


def test_the_cue_is_in_the_networks_of_both_field_phases_and_in_no_other(weights, tmp_path):
    table = run(weights, tmp_path / "cue", cue=1.0)
    plain = load_ensemble(weights)
    expected = draw_cue(plain, seed=0)
    for phase in PHASES:
        on = phase.startswith("FF")
        added = bias(tmp_path / "cue", phase) - plain.input_bias.detach()
        assert added.numpy() == pytest.approx((expected if on else 0 * expected).numpy(), abs=1e-7)
        about = read_metadata(tmp_path / "cue" / f"networks_{phase}.safetensors")
        assert about.get("cue_in_input_bias") == (1.0 if on else None)
    uncued = run(weights, tmp_path / "plain")
    first = (table.phase == "FF1") & (table["update"] == 0)
    assert (table[first].lateral_deviation != uncued[first].lateral_deviation).all()


@pytest.mark.parametrize("stop_after", [4, 5, 8])
def test_an_interrupted_run_with_a_cue_goes_on_to_the_same_probes(weights, tmp_path, monkeypatch, stop_after):
    """Stopped before, within and after a phase with the cue."""
    whole = run(weights, tmp_path / "whole", cue=1.0)
    run(weights, tmp_path / "parts", iter([False] * stop_after), cue=1.0)
    assert whole.equals(run(weights, tmp_path / "parts", cue=1.0))


def test_changes_are_said_in_the_configuration_where_there_are_any():
    usual, changed = Savings(), Savings(change=PhaseChanges(ff1_b=0.0))
    assert "change" not in identity(usual, None)  # as in folders made before there were changes
    assert identity(changed, None)["change"]["ff1_b"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--change.ff2-b", "inf"], "ff2_b must be a finite number, got inf"),
        (["--change.ff1-field", "lorentz"], "ff1_field must be one of ('curl', 'resistive'), got 'lorentz'"),
        (["--change.ff1-targets", "0", "8"], "ff1_targets must be one or more different numbers from 0 to 7"),
        (["--change.ff1-targets", "3", "3"], "ff1_targets must be one or more different numbers"),
        (["--change.ff1-reach", "0"], "ff1_reach must be above 0, got 0.0"),
        (["--change.ff1-reach", "0.3"], "ff1_reach 0.3 m puts a target out of the arm's reach"),
        (["--change.cue", "nan"], "cue must be a finite number, got nan"),
    ],
)
def test_changes_that_cannot_be_are_named_before_anything_is_made(arguments, said, tmp_path, caplog, capsys):
    out: Path = tmp_path / "run"
    try:
        status = main([*SMALL, "--out", str(out), *arguments])
    except SystemExit as error:  # the parser's own refusal
        status = int(error.code or 0)
    shown = " ".join((caplog.text + capsys.readouterr().err).replace("│", " ").split())
    assert status == 2 and said in shown and not out.exists()
