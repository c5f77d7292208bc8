"""Files that were mangled are refused by name, or mean what they say: never another number."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fuzzed_values import mangled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.supervised.checkpoints import load_ensemble, save_ensemble
from agents.supervised.networks import make_ensemble
from experiments.runs.folder import RunFolder, load_state, write_state
from experiments.savings.config import PRESETS, Savings, identity
from experiments.savings.shared_phases import stored_arguments
from savings_gym.files import MANIFEST, open_folder, read_config, read_table, write_table

ARGUMENTS = json.loads(json.dumps(identity(PRESETS["smoke"], None)))
once = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(value: object, other: object) -> bool:
    if isinstance(value, torch.Tensor):
        return torch.equal(value, other)
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(same(value[key], other[key]) for key in value)
    return value == other


def as_json(values: dict) -> str | None:
    """JSON with NaN and infinity, as Python writes it; None if the values do not go into it."""
    try:
        return json.dumps(values)
    except (TypeError, ValueError):
        return None


@once
@given(st.data())
def test_a_mangled_config_is_refused_by_name_or_used_as_it_says(tmp_path, data):
    content, nested = {"arguments": ARGUMENTS, "versions": {}}, ("noise", "delays", "loss")
    deep = [mangled(ARGUMENTS[name]).map(lambda part, name=name: ARGUMENTS | {name: part}) for name in nested]
    arguments = st.one_of(mangled(ARGUMENTS), *deep)
    whole = arguments.map(lambda values: content | {"arguments": values})
    changed = data.draw(st.one_of(mangled(content), whole))
    text = as_json(changed)
    if text is None:
        return
    (tmp_path / "config.json").write_text(text)
    try:
        found = stored_arguments(tmp_path)
    except ValueError as error:
        assert "config.json" in str(error)
        return
    assert isinstance(found, Savings)
    for name, value in read_config(tmp_path).items():
        if isinstance(value, (int, float)) and hasattr(found, name):
            assert getattr(found, name) == value


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "3", '{"arguments": 3}', '"x"', "\x00", '{"a": NaN}']
)
def test_a_config_that_is_none_is_refused_by_name(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json is not the configuration of a run"):
        read_config(tmp_path)


@once
@given(st.data())
def test_a_mangled_manifest_is_refused_by_name(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("mangled") / "run"
    open_folder(folder, {"seed": 1})
    content = json.loads((folder / MANIFEST).read_text())
    text = as_json(data.draw(mangled(dict(content, seal="0" * 64, run="0" * 16))))
    if text is None:
        return
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json"):
        read_config(folder)


def weights(path: Path) -> None:
    save_ensemble(path, make_ensemble("gru", 2, 3, seed=1), pretraining={"updates": 5, "seed": 1})


def state(path: Path) -> None:
    write_state(path, {"ensemble": make_ensemble("gru", 2, 3, seed=1).state_dict(), "update": 17, "part": 3})


def table(path: Path) -> None:
    write_table(path, {"network": np.arange(40), "deviation": np.linspace(0.0, 1.0, 40)})


READERS = {  # outside of run folders, whose manifests are tried elsewhere
    "gru.safetensors": (weights, lambda path: load_ensemble(path).state_dict()),
    "gru.state.pt": (state, load_state),
    "summary.json": (
        lambda path: path.write_text(json.dumps({"complete": True})),
        lambda path: RunFolder.read_summary(path.parent),
    ),
    "probes.parquet": (table, read_table),
}


@pytest.mark.parametrize("name", READERS)
@once
@given(st.floats(0.0, 1.0, exclude_max=True), st.one_of(st.none(), st.integers(0, 7)))
def test_a_truncated_or_flipped_file_is_refused_by_name(tmp_path, name, place, bit):
    write, read = READERS[name]
    write(tmp_path / name)
    expected, content = read(tmp_path / name), bytearray((tmp_path / name).read_bytes())
    position = int(place * len(content))
    if bit is None:
        del content[position:]
    else:
        content[position] ^= 1 << bit
    (tmp_path / name).write_bytes(content)
    try:
        found = read(tmp_path / name)
    except ValueError as error:
        assert name in str(error)
        return
    if isinstance(found, pd.DataFrame) or name == "summary.json":
        return  # carries no digest of its own: the manifest of its run has it
    assert same(found, expected)
