"""The preset of the paper runs the protocol of the study's code; runs from before it are still read."""

import json
import logging

import numpy as np
import pytest

from agents.supervised.checkpoints import save_ensemble
from agents.supervised.learner import SupervisedLearner
from agents.supervised.networks import make_ensemble
from agents.supervised.reaches import STUDY_DELAYS, Timing
from experiments.savings.command import main
from experiments.savings.config import PRESETS, Savings, arguments, identity
from experiments.savings.experiment import PROBE, TRAIN, FourPhases
from experiments.savings.phases import stored_field
from experiments.savings.shared_phases import stored_arguments
from experiments.stored.activity import activity_of_run
from savings_gym.files import read_config
from savings_gym.perturbations.fields import CurlField
from savings_gym.task.settings import Delays
from savings_gym.task.trials import NO_GO

PAPER = PRESETS["paper"]
TINY = [
    "--preset", "paper", "--pretrained", "None", "--networks", "1", "--units", "8",
    "--pretraining-updates", "2", "--nf1-updates", "3", "--ff1-updates", "3",
    "--nf2-updates", "3", "--ff2-updates", "3",
]  # fmt: skip


class Folder:
    """A run folder without a saved state."""

    def load_state(self):
        return None


def test_schedule_networks_and_delays_are_those_of_the_study_s_code():
    assert [phase.updates for phase in PAPER.phases()] == [10_000, 3_200, 10_000, 3_200]
    assert (PAPER.networks, PAPER.units, PAPER.pretraining_updates) == (40, 128, 20_000)
    assert Timing.of(PAPER.delays) == Timing(vision=6, proprioception=2, cue=7)
    assert [phase.field for phase in PAPER.phases()][1::2] == [CurlField(8.0, onset="cue")] * 2
    made = PAPER.pretraining("out.safetensors")
    assert (made.delays, made.training_go, made.updates) == (PAPER.delays, (0.11, 0.30), 20_000)


def test_batches_are_those_of_the_study_s_code():
    learner = SupervisedLearner(make_ensemble("gru", 30, 4, seed=0))
    experiment = FourPhases(learner, PAPER.phases(), PAPER.task(), Folder(), PAPER.field())
    batch, probe = (experiment._reaches(PAPER.field(), stream) for stream in (TRAIN, PROBE))
    go = batch.go_step[batch.go_step < NO_GO]
    assert sorted(set(go.tolist())) == list(range(11, 31)) and len(go) == 4 * 30  # half are catch trials
    assert (probe.go_step == 44).all()
    goal, steps = probe.goal(), np.arange(1, 101)  # step k is state k
    moved = (goal == probe.target[:, None]).all(-1)[0, :, 2].numpy()
    assert np.array_equal(moved, steps >= 51)
    assert [bool(probe.begun(t)[1].all()) for t in (50, 51)] == [False, True]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny run of the preset."""
    out = tmp_path_factory.mktemp("paper") / "run"
    assert main([*TINY, "--out", str(out)]) == 0
    return out


def test_a_run_of_the_preset_keeps_its_protocol(run):
    config = read_config(run)
    assert config["onset"] == "cue" and config["training_go"] == [0.11, 0.3]
    assert config["delays"] == {"vision": 0.06, "proprioception": 0.02, "cue": 0.07}
    stored = stored_arguments(run)
    assert (stored.onset, stored.training_go, stored.delays) == ("cue", (0.11, 0.3), STUDY_DELAYS)
    assert stored_field(config) == CurlField(8.0, onset="cue")
    activity = activity_of_run(run, "curl", save=False)
    assert json.loads(activity.attrs["field"]) == CurlField(8.0, onset="cue").to_dict()
    assert main([*TINY, "--out", str(run)]) == 0  # complete: shown again


def test_the_quick_preset_is_the_same_protocol_in_short_phases():
    short, long = ({**vars(PRESETS[name])} for name in ("quick", "paper"))
    differing = {name for name, value in short.items() if value != long[name]}
    phases = {f"{phase}_updates" for phase in ("nf1", "ff1", "nf2", "ff2")}
    assert differing == {"preset", "out", "networks", "keep_every", *phases}


def test_the_protocol_of_the_environments_says_nothing_new_in_its_config():
    config = PRESETS["smoke"]
    assert set(identity(config, None)["delays"]) == {"vision", "proprioception"}
    assert not {"onset", "training_go"} & set(identity(config, None))
    assert config.field() == CurlField(8.0) and config.delays == Delays()


def test_arguments_of_the_protocol_go_through_the_command_line():
    changed = Savings("paper", training_go=(0.2, 0.25), onset="start", delays=Delays(0.03, 0.0))
    flags = " ".join(arguments(changed))
    assert "--training-go 0.2 0.25" in flags and "--onset start" in flags and "--delays.cue None" in flags
    with pytest.raises(ValueError, match="onset must be one of .*got 'late'"):
        Savings(onset="late")
    with pytest.raises(ValueError, match="first go_time must not come after the last"):
        Savings(training_go=(0.3, 0.2))


def test_networks_from_other_delays_are_named(tmp_path, caplog):
    weights = tmp_path / "gru8.safetensors"
    about = {"updates": 2, "delays": {"vision": 0.07, "proprioception": 0.02}}
    save_ensemble(weights, make_ensemble("gru", 1, 8, seed=0), pretraining=about)
    given = [*TINY, "--pretrained", str(weights)]
    with caplog.at_level(logging.WARNING):
        assert main([*given, "--out", str(tmp_path / "paper")]) == 0
    words = "pre-trained with hand 70 ms, muscles 20 ms, cue 70 ms late; in this run it is hand 60 ms"
    assert words in caplog.text
    caplog.clear()
    usual = [*given, "--delays.vision", "0.07", "--delays.cue", "None", "--out", str(tmp_path / "usual")]
    assert main(usual) == 0
    assert "pre-trained with" not in caplog.text
