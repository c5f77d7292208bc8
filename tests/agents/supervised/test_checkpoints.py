"""Weights files: what goes in comes out, and bad files are named."""

import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from agents.supervised.checkpoints import (
    actuation_of,
    join_ensembles,
    load_ensemble,
    pretraining_of,
    read_metadata,
    save_ensemble,
)
from agents.supervised.networks import CELLS, make_ensemble
from experiments.join_networks import main
from savings_gym.files import write_atomically


def trained(cell="gru", networks=3):
    """Networks with no parameter at its initial value."""
    ensemble = make_ensemble(cell, networks, 8, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter += torch.randn(parameter.shape, generator=generator)
    return ensemble


@pytest.fixture
def saved(tmp_path):
    ensemble, path = trained(), tmp_path / "networks.safetensors"
    save_ensemble(path, ensemble, phase="FF1", updates=20)
    return ensemble, path


def assert_equal(ours, theirs):
    for (name, one), (other, two) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == other and torch.equal(one, two), name


@pytest.mark.parametrize("cell", list(CELLS))
def test_what_is_saved_is_loaded(cell, tmp_path):
    ensemble, path = trained(cell), tmp_path / "deep" / "networks.safetensors"
    save_ensemble(path, ensemble)
    loaded = load_ensemble(path)
    assert type(loaded) is type(ensemble) and (loaded.networks, loaded.units) == (3, 8)
    assert_equal(loaded, ensemble)
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_the_first_networks_can_be_loaded_alone(saved):
    ensemble, path = saved
    assert_equal(load_ensemble(path, 2), ensemble.select(0, 1))
    double = load_ensemble(path, 1, dtype=torch.float64)
    assert double.initial.dtype == torch.float64
    assert torch.equal(double.recurrent_weight.float(), ensemble.recurrent_weight[:1])


def test_what_is_known_about_the_networks_is_kept(saved):
    about = read_metadata(saved[1])
    assert len(about.pop("sha256")) == 64
    assert about == {"cell": "gru", "networks": 3, "units": 8, "phase": "FF1", "updates": 20}


def test_the_same_networks_are_the_same_bytes(saved, tmp_path):
    again = tmp_path / "again.safetensors"
    save_ensemble(again, saved[0], updates=20, phase="FF1")
    assert again.read_bytes() == saved[1].read_bytes()


@pytest.mark.parametrize("read", [load_ensemble, read_metadata])
def test_a_missing_file_is_named(read, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.safetensors"):
        read(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize("kept", [0, 5, 100, -1], ids=["empty", "5 bytes", "100 bytes", "all but one byte"])
def test_a_truncated_file_is_named(saved, kept):
    path = saved[1]
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="networks.safetensors.*not a whole weights file"):
        load_ensemble(path)


def test_a_file_of_another_kind_is_named(tmp_path):
    text, foreign = tmp_path / "notes.safetensors", tmp_path / "other.safetensors"
    text.write_text("these are no weights, but a text that is long enough to be taken for a header")
    save_file({"weight": torch.zeros(3)}, foreign, {"format": "pt"})
    for path in (text, foreign):
        with pytest.raises(ValueError, match=f"{path.name}.*not a whole weights file of this project"):
            load_ensemble(path)


def test_a_file_with_a_parameter_missing_is_named(tmp_path):
    path = tmp_path / "partial.safetensors"
    about = '{"cell": "gru", "networks": 1, "units": 8}'
    save_file({"initial": torch.zeros(1, 8)}, path, {"savings_gym": about})
    with pytest.raises(ValueError, match="partial.safetensors.*damaged"):
        load_ensemble(path)


def test_an_unknown_cell_is_named(tmp_path):
    path = tmp_path / "future.safetensors"
    save_file(
        {"initial": torch.zeros(1, 8)}, path, {"savings_gym": '{"cell": "mamba", "networks": 1, "units": 8}'}
    )
    with pytest.raises(
        ValueError, match="future.safetensors.*unknown cell 'mamba'.*gru, lstm, rnn.*register_cell"
    ):
        load_ensemble(path)


@pytest.mark.parametrize("asked", [4, 0, -1])
def test_more_networks_than_there_are_is_an_error(saved, asked):
    with pytest.raises(ValueError, match=f"holds 3 networks, cannot load {asked}; choose 1 to 3"):
        load_ensemble(saved[1], asked)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(saved, monkeypatch, moment):
    ensemble, path = saved
    old = path.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_ensemble(path, trained("lstm"))
    assert path.read_bytes() == old and list(path.parent.iterdir()) == [path]
    assert_equal(load_ensemble(path), ensemble)


def test_a_written_file_may_be_read_by_others(tmp_path):
    path = tmp_path / "data"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two" and path.stat().st_mode & 0o777 == 0o644


@pytest.fixture
def two(tmp_path):
    """Files of 3 and 2 networks, pre-trained with different seeds."""
    paths = [tmp_path / "one.safetensors", tmp_path / "two.safetensors"]
    for seed, (path, networks) in enumerate(zip(paths, (3, 2), strict=True)):
        save_ensemble(path, trained(networks=networks), pretraining={"seed": seed})
    return paths


def test_joined_networks_are_those_of_the_files_in_order(two, tmp_path):
    out = tmp_path / "all.safetensors"
    assert main([*map(str, two), "--out", str(out)]) == 0
    joined = load_ensemble(out)
    assert joined.networks == 5
    assert_equal(load_ensemble(out, 3), load_ensemble(two[0]))
    assert_equal(joined.select(3, 4), load_ensemble(two[1]))
    about = read_metadata(out)
    assert (about["cell"], about["networks"], about["units"]) == ("gru", 5, 8)
    assert about["joined"] == [read_metadata(path) for path in two]
    assert [part["pretraining"]["seed"] for part in about["joined"]] == [0, 1]


def test_networks_that_do_not_fit_are_not_joined(two, tmp_path, caplog):
    other, wide = tmp_path / "lstm.safetensors", tmp_path / "wide.safetensors"
    save_ensemble(other, trained("lstm"))
    save_ensemble(wide, make_ensemble("gru", 1, 9, seed=0))
    out = tmp_path / "out.safetensors"
    for paths, message in (
        (
            [two[0], other],
            "lstm.safetensors' holds networks with cell 'lstm'.*only networks with the same cell",
        ),
        ([two[0], wide], "holds networks with units 9.*only networks with the same units"),
        ([two[0], two[0]], "two or more different files"),
        ([two[0]], "two or more different files"),
    ):
        with pytest.raises(ValueError, match=message):
            join_ensembles(paths, out)
    with pytest.raises(FileExistsError, match="two.safetensors.*exists already"):
        join_ensembles(two, two[1])
    assert not out.exists()
    assert main([str(two[0]), str(tmp_path / "none"), "--out", str(out)]) == 2 and "none" in caplog.text


def test_a_joined_file_says_how_every_network_was_pretrained(tmp_path):
    for seed, name in enumerate("abc"):
        about = {"seed": seed, "updates": 4, "anneal": 2, "initial_weights": "stack"}
        save_ensemble(tmp_path / name, make_ensemble("gru", 2, 4, seed=seed), pretraining=about)
    join_ensembles([tmp_path / "a", tmp_path / "b"], tmp_path / "ab")
    join_ensembles([tmp_path / "ab", tmp_path / "c"], tmp_path / "all")
    assert pretraining_of(tmp_path / "all") == ["4 batches, the last 2 with a falling rate"] * 6


def test_files_that_do_not_say_how_initial_weights_were_drawn_are_taken_by_their_age(tmp_path):
    """Weights were drawn gate by gate until files also recorded the go times of the pre-training."""
    for name, made in {"old": {"updates": 4}, "later": {"updates": 4, "training_go": [0.1, 0.3]}}.items():
        save_ensemble(tmp_path / name, make_ensemble("gru", 1, 4, seed=0), pretraining=made)
    assert pretraining_of(tmp_path / "old") == ["4 batches, initial weights drawn gate by gate"]
    assert pretraining_of(tmp_path / "later") == ["4 batches"]


def test_networks_of_different_arms_or_pretraining_are_not_joined(tmp_path):
    for name, made in {
        "muscle": {"updates": 1}, "motor": {"updates": 1, "actuation": "motor"}, "longer": {"updates": 9}
    }.items():  # fmt: skip
        about = made | {"initial_weights": "stack"}
        save_ensemble(tmp_path / name, make_ensemble("gru", 1, 4, seed=0), pretraining=about)
    assert actuation_of(tmp_path / "motor") == "motor"
    with pytest.raises(ValueError, match=r"different actuations: \['motor', 'muscle'\]"):
        join_ensembles([tmp_path / "muscle", tmp_path / "motor"], tmp_path / "all")
    with pytest.raises(ValueError, match="pre-trained with 1 batches and with 9 batches"):
        join_ensembles([tmp_path / "muscle", tmp_path / "longer"], tmp_path / "all")


def test_the_weights_that_ship_are_those_of_their_list():
    folder = Path(__file__).parents[3] / "experiments" / "pretrained"
    listed = re.findall(
        r"^\| `([^`]+)` \| (\d+) \| (\d+) \|", (folder / "README.md").read_text(), re.MULTILINE
    )
    found = [(path, read_metadata(path)) for path in sorted(folder.glob("*.safetensors"))]
    assert sorted(listed) == [
        (path.name, str(about["networks"]), str(about["units"])) for path, about in found
    ]
    for path, _ in found:
        assert "not known" not in pretraining_of(path)
        assert actuation_of(path) == ("motor" if "motor" in path.name else "muscle")
        assert all(bool(torch.isfinite(value).all()) for value in load_ensemble(path).state_dict().values())
