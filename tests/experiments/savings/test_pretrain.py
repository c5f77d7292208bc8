"""A pre-training that was killed goes on as if nothing had happened."""

import dataclasses

import pytest
import torch

from agents.supervised.checkpoints import delays_of, load_ensemble, pretraining_of, read_metadata
from agents.supervised.learner import PRETRAINING
from agents.supervised.networks import available_devices, make_ensemble
from agents.supervised.reaches import STUDY_DELAYS, STUDY_TRAINING_GO
from experiments.runs.command_line import StopFlag
from experiments.savings import pretrain as module
from experiments.savings.pretrain import Pretraining, main, pretrain, state_of
from savings_gym.files import sole_writer_of
from savings_gym.task.settings import Delays

UPDATES = 5
DEVICES = tuple(available_devices())


@pytest.fixture(autouse=True)
def keep_often(monkeypatch):
    monkeypatch.setattr(module, "KEEP_EVERY", 2)


def config(folder, **changes):
    small = {"networks": 2, "units": 8, "updates": UPDATES, "trials": 4, "seed": 3}
    return Pretraining(out=folder / "gru8.safetensors", **(small | changes))


def interrupt_in_update(monkeypatch, number):
    """The batch of update ``number`` (from 0) of the next run never comes."""
    make, calls = module.random_reaches, []

    def interrupted(*arguments, **options):
        calls.append(None)
        if len(calls) == number + 1:
            monkeypatch.setattr(module, "random_reaches", make)
            raise KeyboardInterrupt
        return make(*arguments, **options)

    monkeypatch.setattr(module, "random_reaches", interrupted)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Weights of a run from beginning to end."""
    settings = config(tmp_path_factory.mktemp("undisturbed"))
    pretrain(settings)
    assert [path.name for path in settings.out.parent.iterdir()] == ["gru8.safetensors"]
    return load_ensemble(settings.out).state_dict()


def assert_weights(ensemble, expected):
    for name, value in ensemble.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_pretraining_changes_every_parameter(undisturbed):
    for name, value in make_ensemble("gru", 2, 8, seed=3).state_dict().items():
        assert (value != undisturbed[name]).any(), name


@pytest.mark.parametrize("killed_in", [0, 1, 3, 4])
def test_a_killed_run_ends_with_the_weights_of_an_undisturbed_one(
    tmp_path, monkeypatch, undisturbed, killed_in
):
    settings = config(tmp_path)
    interrupt_in_update(monkeypatch, killed_in)
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings)
    state = tmp_path / "gru8.state.pt"
    assert state.is_file() == (killed_in >= 2) and not settings.out.exists()
    pretrain(settings)
    assert_weights(load_ensemble(settings.out), undisturbed)
    assert not state.exists()


def test_the_rate_falls_to_nothing_in_the_last_updates(tmp_path, monkeypatch):
    rates, made = [], module.SupervisedLearner.update

    def update(learner, reaches):
        rates.append(learner.optimiser.param_groups[0]["lr"])
        return made(learner, reaches)

    monkeypatch.setattr(module.SupervisedLearner, "update", update)
    settings = config(tmp_path, anneal=3)
    interrupt_in_update(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings)
    pretrain(settings)  # from update 4 on
    usual = [PRETRAINING.rate * PRETRAINING.decay**i for i in range(UPDATES)]
    assert rates == pytest.approx([usual[0], usual[1], 0.75 * usual[2], 0.5 * usual[3], 0.25 * usual[4]])
    pretrain(config(tmp_path / "whole", anneal=3))
    assert_weights(
        load_ensemble(settings.out), load_ensemble(tmp_path / "whole" / settings.out.name).state_dict()
    )


def test_a_falling_rate_is_gone_on_with_as_it_began(tmp_path, monkeypatch):
    interrupt_in_update(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(tmp_path, anneal=3))
    with pytest.raises(ValueError, match="other updates, anneal"):
        pretrain(config(tmp_path, updates=9, anneal=1))
    with pytest.raises(ValueError, match="anneal must be from 0 to updates, 5, got 6"):
        config(tmp_path, anneal=6)


def test_a_run_killed_twice_is_no_different(tmp_path, monkeypatch, undisturbed):
    for killed_in in (3, 1):  # the second run begins at update 2
        interrupt_in_update(monkeypatch, killed_in)
        with pytest.raises(KeyboardInterrupt):
            pretrain(config(tmp_path))
    pretrain(config(tmp_path))
    assert_weights(load_ensemble(config(tmp_path).out), undisturbed)


def test_a_run_can_be_stopped_at_any_update_and_gone_on_with(tmp_path, undisturbed):
    settings, asked = config(tmp_path), []

    def stopped():
        asked.append(None)
        return len(asked) == 4

    assert not pretrain(settings, stopped) and not settings.out.exists()
    assert pretrain(settings)
    assert_weights(load_ensemble(settings.out), undisturbed)


def test_the_state_of_another_run_is_not_gone_on_with(tmp_path, monkeypatch):
    interrupt_in_update(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(tmp_path))
    with pytest.raises(ValueError, match="other seed, units.*another --out"):
        pretrain(config(tmp_path, seed=4, units=9))


def test_the_weights_say_how_they_were_made(tmp_path):
    settings = config(tmp_path, updates=1, cell="rnn", networks=1)
    pretrain(settings)
    about = read_metadata(settings.out)
    assert (about["cell"], about["networks"], about["units"]) == ("rnn", 1, 8)
    made = about["pretraining"]
    assert (made["seed"], made["updates"], made["trials"]) == (3, 1, 4)
    assert made["noise"] == dataclasses.asdict(settings.noise)


def test_a_criterion_ends_pretraining_and_the_weights_say_when(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setattr(module, "TRY_EVERY", 1)
    early = config(tmp_path, criterion=1.0)
    pretrain(early)
    assert read_metadata(early.out)["pretraining"]["updates_made"] == 1
    assert pretraining_of(early.out) == ["1 batches"] * 2
    late = config(tmp_path / "late", criterion=1e-6)
    pretrain(late)
    assert read_metadata(late.out)["pretraining"]["updates_made"] == UPDATES
    weights = load_ensemble(late.out).state_dict()
    assert all(torch.equal(weights[name], value) for name, value in undisturbed.items())


def test_the_preset_of_the_paper_has_the_delays_and_go_times_of_the_study_s_code(tmp_path):
    out = tmp_path / "paper.safetensors"
    small = ["--networks", "1", "--units", "4", "--updates", "1", "--trials", "2"]
    assert module.main(["--preset", "paper", *small, "--out", str(out)]) == 0
    made = read_metadata(out)["pretraining"]
    assert made["delays"] == {"vision": 0.06, "proprioception": 0.02, "cue": 0.07}
    assert made["training_go"] == [0.11, 0.30]
    paper = module.PRESETS["paper"]
    assert (paper.networks, paper.units, paper.updates, paper.trials) == (40, 128, 20_000, 32)
    assert delays_of(out) == STUDY_DELAYS
    assert pretraining_of(out) == ["1 batches, hand 60 ms, muscles 20 ms, cue 70 ms late"]
    pretrain(config(tmp_path, updates=1))
    assert delays_of(config(tmp_path).out) == Delays()
    assert pretraining_of(config(tmp_path).out) == ["1 batches"] * 2


def test_a_state_from_before_the_cue_had_a_delay_is_gone_on_with(tmp_path, monkeypatch, undisturbed):
    interrupt_in_update(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(tmp_path))
    file = tmp_path / "gru8.state.pt"
    state = torch.load(file, weights_only=True)
    assert state["about"]["delays"] == {"vision": 0.07, "proprioception": 0.02}
    del state["about"]["training_go"]
    torch.save(state, file)
    with pytest.raises(ValueError, match="other delays, training_go"):
        pretrain(config(tmp_path, delays=STUDY_DELAYS, training_go=STUDY_TRAINING_GO))
    pretrain(config(tmp_path))
    assert_weights(load_ensemble(config(tmp_path).out), undisturbed)


@pytest.mark.parametrize(("before", "after"), [(1e-6, None), (None, 1e-6), (1e-6, 1e-5)])
def test_the_state_of_another_criterion_is_not_gone_on_with(tmp_path, monkeypatch, before, after):
    interrupt_in_update(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(tmp_path, criterion=before))
    with pytest.raises(ValueError, match="belongs to a run with other criterion: choose another --out"):
        pretrain(config(tmp_path, criterion=after))
    pretrain(config(tmp_path, criterion=before))
    made = read_metadata(config(tmp_path).out)["pretraining"]
    assert made.get("updates_made") == (None if before is None else UPDATES)


def test_a_state_that_says_that_there_is_no_criterion_is_gone_on_with(tmp_path, monkeypatch, undisturbed):
    interrupt_in_update(monkeypatch, 3)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(tmp_path))
    file = tmp_path / "gru8.state.pt"
    state = torch.load(file, weights_only=True)
    assert "criterion" not in state["about"]
    torch.save(state | {"about": state["about"] | {"criterion": None}}, file)
    pretrain(config(tmp_path))
    assert_weights(load_ensemble(config(tmp_path).out), undisturbed)


@pytest.mark.parametrize("name", ["networks", "units", "updates", "trials"])
def test_a_number_below_one_is_named(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1, got 0"):
        config(tmp_path, **{name: 0})


def test_progress_says_how_long_it_will_take(tmp_path, caplog):
    caplog.set_level("INFO")
    pretrain(config(tmp_path))
    lines = [record.message for record in caplog.records if "end-point error" in record.message]
    assert [line.split(":")[0] for line in lines] == ["update 2 of 5", "update 4 of 5"]
    assert all(line.endswith("min left") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--networks", "0"], "networks must be a whole number of at least 1, got 0"),
        (["--units", "-3"], "units must be a whole number of at least 1, got -3"),
        (["--anneal", "6", "--updates", "5"], "anneal must be from 0 to updates, 5, got 6"),
        (["--cell", "transformer"], "unknown cell 'transformer'; choose from: gru, lstm, rnn"),
        (["--device", "meta"], f"device must be one of {DEVICES}, got 'meta'"),
        (["--device", "cuda:99"], f"device must be one of {DEVICES}, got 'cuda:99'"),
        (["--actuation", "torque"], "actuation must be one of ('muscle', 'motor'), got 'torque'"),
        (
            ["--noise.vision", "-1"],
            "vision must be a finite number of at least 0 and at most 1e+06, got -1.0",
        ),
        (["--delays.vision", "0.005"], "whole number of control steps"),
        (["--training-go", "0.105", "0.3"], "go_time must be a whole number of control steps"),
        (["--preset", "study"], "preset must be one of ('environment', 'paper'), got 'study'"),
        (["--seed", str(2**64)], "seed must be at most"),
        (["--networks", "1000000"], "1000000 networks of 128 units that learn from 32 trials at a time need"),
        (["--units", "1000000"], "8 networks of 1000000 units that learn from 32 trials at a time need"),
        (["--trials", "1000000"], "from 1000000 trials at a time need"),
        (["--out", __file__], "exists already: choose another --out or remove it"),
        (["--out", f"{__file__}/weights"], "is a file, expected a folder"),
    ],
)
def test_bad_arguments_are_refused_in_words_before_anything_is_made(
    tmp_path, arguments, text, caplog, capsys
):
    out = tmp_path / "folder" / "gru.safetensors"
    try:
        status = module.main(["--out", str(out), *arguments])
    except SystemExit as end:  # the parser's own refusal
        status = end.code
    shown = " ".join((caplog.text + capsys.readouterr().err).replace("│", " ").split())
    assert status == 2 and text in shown and "Traceback" not in shown
    assert not out.parent.exists()


def test_a_command_that_is_interrupted_keeps_its_state_and_says_so(
    tmp_path, monkeypatch, caplog, undisturbed
):
    settings = config(tmp_path)
    answers = iter([False, False, False, True])
    with monkeypatch.context() as patch:
        patch.setattr(StopFlag, "__call__", lambda flag: next(answers))
        status = module.run(settings)
    assert status == 130 and "the same command goes on from there" in caplog.text
    assert (tmp_path / "gru8.state.pt").is_file()
    assert module.run(settings) == 0
    assert_weights(load_ensemble(settings.out), undisturbed)


def test_a_learning_that_diverges_ends_with_status_1(tmp_path, monkeypatch, caplog):
    def diverge(learner, reaches):
        raise FloatingPointError("the gradient of network(s) [0] is not finite")

    monkeypatch.setattr(module.SupervisedLearner, "update", diverge)
    assert module.run(config(tmp_path)) == 1
    assert "the learning diverged: the gradient of network(s) [0] is not finite" in caplog.text


def break_sensor(monkeypatch, first, networks):
    """From update ``first`` on, a broken sensor makes the gradients of networks infinite."""
    make, calls = module.random_reaches, []

    def broken(*arguments, **options):
        reaches = make(*arguments, **options)
        if len(calls) >= first:
            reaches.observation_noise[networks, 30] = float("nan")
        calls.append(None)
        return reaches

    monkeypatch.setattr(module, "random_reaches", broken)


def test_a_network_that_diverges_is_named_and_left_out_and_the_others_go_on(tmp_path, monkeypatch, caplog):
    whole = config(tmp_path / "whole", networks=3)
    assert pretrain(whole)
    expected = load_ensemble(whole.out).select(0, 2).state_dict()
    settings, answers = config(tmp_path, networks=3), iter([False] * 3)
    with monkeypatch.context() as patch:
        break_sensor(patch, 1, networks=[1])
        assert not pretrain(settings, lambda: next(answers, True))
    assert pretrain(settings)  # from update 3 on: it stays stopped
    about = read_metadata(settings.out)
    assert about["networks"] == 2 and about["diverged"] == {"1": 1} and about["pretraining"]["networks"] == 3
    assert "network 1 diverged in update 1" in caplog.text and "number 1 diverged" in caplog.text
    for name, value in load_ensemble(settings.out).state_dict().items():
        assert torch.allclose(value, expected[name], atol=1e-6), name


def test_a_pretraining_in_which_every_network_diverges_writes_nothing(tmp_path, monkeypatch, caplog):
    break_sensor(monkeypatch, 2, networks=[0, 1])
    assert module.run(config(tmp_path)) == 1
    assert "the learning diverged: the gradient of network(s) [0, 1]" in caplog.text
    assert not config(tmp_path).out.exists()


@pytest.mark.parametrize("part", [0.001, 0.3, 0.5, 0.9, 0.999])
def test_a_changed_or_truncated_state_is_refused_by_name(tmp_path, part):
    asked = iter([False] * 3)
    assert not pretrain(config(tmp_path), lambda: next(asked, True))
    state = tmp_path / "gru8.state.pt"
    content = bytearray(state.read_bytes())
    place = int(part * len(content))
    changed = content.copy()
    changed[place] ^= 8
    for damaged in (content[:place], changed):
        state.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"gru8\.state\.pt"):
            pretrain(config(tmp_path))


def test_weights_whose_names_have_points_have_states_of_their_own(tmp_path):
    files = [tmp_path / name for name in ("lr0.1", "lr0.2", "gru8.safetensors")]
    assert [state_of(file).name for file in files] == ["lr0.1.state.pt", "lr0.2.state.pt", "gru8.state.pt"]


def test_a_file_that_another_process_makes_is_left_to_it(tmp_path, caplog):
    out = tmp_path / "w.safetensors"
    with sole_writer_of(out):
        assert main(["--networks", "1", "--units", "4", "--updates", "1", "--out", str(out)]) == 2
    assert f"another process is making {out}" in caplog.text and not out.exists()
