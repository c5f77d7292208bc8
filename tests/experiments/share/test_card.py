"""Model cards: the hub's own reader takes them, and their numbers are those of the files and runs."""

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tyro
import yaml
from PIL import Image
from planted_probes import TRUE_RATE, TRUE_START, plant

from agents.supervised.checkpoints import load_ensemble, read_metadata, save_ensemble
from agents.supervised.networks import make_ensemble
from agents.supervised.policy import mujoco_probe
from agents.supervised.reaches import centre_out_targets
from experiments.benchmark.row_file import check_row
from experiments.savings.config import FOR_ENVIRONMENTS, PRESETS, identity
from experiments.savings.phases import PhaseChanges
from experiments.savings.pretrain import PRESETS as PRETRAINING_PRESETS
from experiments.savings.pretrain import Pretraining, stored
from experiments.share.card import Card, command, main
from experiments.share.card_text import OLDER_ARM, pretraining_command
from experiments.share.loading import PRETRAINED, load_agent, shipped_agents
from experiments.share.measures import RESULTS, ROWS, row_metrics, shown_metrics
from experiments.study import INITIAL_SAVINGS
from savings_gym import CurlField
from savings_gym.files import CONFIG, PROBES, SUMMARY, write_json, write_table
from savings_gym.metrics.kinematics import lateral_deviation
from savings_gym.metrics.savings import savings

ROOT = Path(__file__).resolve().parents[3]
CARDS = PRETRAINED / "cards"
hub = pytest.importorskip("huggingface_hub")


def metrics_of(card):
    """Every metric of a card, as the hub's reader sees it, by environment and type."""
    data = hub.ModelCard.load(card).data
    return {(result.dataset_type, result.metric_type): result for result in data.eval_results}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Two of the shipped networks in a file of their own."""
    path = tmp_path_factory.mktemp("weights") / "two.safetensors"
    ensemble = load_ensemble(PRETRAINED / "gru32-paper.safetensors", 2)
    save_ensemble(
        path, ensemble, pretraining=read_metadata(PRETRAINED / "gru32-paper.safetensors")["pretraining"]
    )
    return path


@pytest.fixture(scope="module")
def runs(weights, tmp_path_factory):
    """A run that started from these weights and saves 1 mm; its sham starts FF2 3 mm farther off."""
    folders = [tmp_path_factory.mktemp("runs") / name for name in ("run", "sham")]
    for folder, changes, ff2 in zip(folders, ({}, {"ff1_b": 0.0}), (0.034, 0.037), strict=True):
        table = plant(networks=2, noise=1e-5, start=TRUE_START | {"FF2": ff2})
        config = dataclasses.replace(
            PRESETS["quick"], out=folder, networks=2, units=32, pretrained=weights,
            change=PhaseChanges(**changes),
        )  # fmt: skip
        write_json(folder / CONFIG, {"arguments": identity(config, weights)})
        write_json(folder / SUMMARY, savings(table).to_dict())
        write_table(folder / PROBES, table)
    return folders


@pytest.fixture(scope="module")
def folder(weights, runs, tmp_path_factory):
    """What the command makes for the hub."""
    out = tmp_path_factory.mktemp("hub")
    named = ["--run", str(runs[0]), "--sham", str(runs[1]), "--weights", "--out", str(out)]
    assert main([str(weights), *named]) == 0
    return out / "two"


def test_the_hubs_reader_takes_a_card_and_finds_every_metric(folder):
    card = hub.ModelCard.load(folder / "README.md")
    data = card.data
    assert (data.model_name, data.library_name, data.license) == ("two", "savings_gym", "mit")
    assert {"gymnasium", "ForceFieldReach-v0"} <= set(data.tags)
    for result in data.eval_results:
        assert np.isfinite(result.metric_value) and result.metric_args["n"] == 2
        low, high = result.metric_args["interval_95"]
        assert low is None or low <= result.metric_value <= high
    assert len(metrics_of(folder / "README.md")) == len(data.eval_results) == 11
    index = yaml.safe_load(card.content.split("---")[1])["model-index"]
    assert [entry["name"] for entry in index] == ["two"]
    for result in index[0]["results"]:
        assert set(result) >= {"task", "dataset", "metrics"} and result["task"]["type"]
        assert {"type", "name"} <= set(result["dataset"])
        assert all({"type", "value"} <= set(metric) for metric in result["metrics"])


def test_deviations_are_those_of_a_probe(folder, weights):
    paths = mujoco_probe(load_ensemble(weights), CurlField(8.0))
    expected = 1e3 * lateral_deviation(paths, centre_out_targets()).mean()
    measured = metrics_of(folder / "README.md")["ForceFieldReach-v0", "lateral_deviation"].metric_value
    assert measured == pytest.approx(expected, abs=0.5)  # other noise


def test_savings_are_those_of_the_run_and_its_sham(folder, runs):
    found = {key: result for (env_id, key), result in metrics_of(folder / "README.md").items()}
    planted = {
        "initial_savings": 1.0, "rate_ratio": TRUE_RATE["FF2"] / TRUE_RATE["FF1"], "after_effect": -33.0,
        "initial_savings_beyond_sham": 3.0, "rate_ratio_beyond_sham": 1.0,
    }  # fmt: skip
    assert {key: found[key].metric_value for key in planted} == pytest.approx(planted, rel=0.03)
    (command,) = found["initial_savings"].metric_args["runs"]
    both = found["initial_savings_beyond_sham"].metric_args["runs"]
    assert both[0] == command and str(runs[0]) in command and "--change.ff1-b 0.0" in both[1]
    assert "practice alone" in (folder / "README.md").read_text()


def test_the_folder_loads_as_an_agent_and_is_refused_once_the_weights_differ(folder, weights, tmp_path):
    observation = np.full((1, 17), 0.2, dtype=np.float32)
    loaded, expected = (load_agent(path, 1).predict(observation)[0] for path in (folder, weights))
    np.testing.assert_array_equal(loaded, expected)
    copy = shutil.copytree(folder, tmp_path / "two")
    save_ensemble(tmp_path / "other.safetensors", make_ensemble("gru", 2, 32, seed=0))
    shutil.copy(tmp_path / "other.safetensors", copy / "two.safetensors")
    with pytest.raises(ValueError, match="not what the run wrote"):
        load_agent(copy)


def test_equal_files_give_equal_cards(weights, tmp_path):
    for name in ("a", "b"):
        assert main([str(weights), "--out", str(tmp_path / name)]) == 0
    for file in ("README.md", "reaches.png"):
        first, second = ((tmp_path / name / "two" / file).read_bytes() for name in ("a", "b"))
        assert first == second
    assert not (tmp_path / "a" / "two" / "two.safetensors").exists()
    assert "no measure of savings" in (tmp_path / "a" / "two" / "README.md").read_text()


def test_weights_of_unknown_origin_have_a_card_without_a_command(tmp_path):
    save_ensemble(tmp_path / "own.safetensors", make_ensemble("gru", 1, 4, seed=0))
    assert main([str(tmp_path / "own.safetensors"), "--out", str(tmp_path)]) == 0
    text = (tmp_path / "own" / "README.md").read_text()
    assert "Pre-training: not known." in text and "experiments.pretrain" not in text
    assert hub.ModelCard.load(tmp_path / "own" / "README.md").data.networks == 1


def test_a_run_from_other_weights_is_refused(runs, caplog, tmp_path):
    other = str(PRETRAINED / "gru32-paper.safetensors")
    assert main([other, "--run", str(runs[0]), "--out", str(tmp_path)]) == 2
    assert "did not start from" in caplog.text and not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "one or more weights files"),
        (["README.md"], "README.md"),
        ([str(PRETRAINED / "gru32-paper.safetensors"), "--sham", "runs/sham"], "needs --run"),
    ],
)
def test_bad_arguments_are_refused(arguments, message, capfd):
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in re.sub(r"[\s│]+", " ", capfd.readouterr().err)


def test_without_huggingface_hub_the_error_says_how_to_get_it(weights, monkeypatch, caplog, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main([str(weights), "--out", str(tmp_path)]) == 2 and "savings_gym[hub]" in caplog.text


@pytest.mark.parametrize("name", shipped_agents())
def test_every_shipped_file_has_a_card_of_this_very_file(name):
    card = hub.ModelCard.load(CARDS / name / "README.md")
    content = (PRETRAINED / f"{name}.safetensors").read_bytes()
    assert card.data.sha256 == hashlib.sha256(content).hexdigest(), "make the card again"
    assert card.data.networks == read_metadata(PRETRAINED / f"{name}.safetensors")["networks"]
    assert f'load_agent("{name}"' in card.text
    width, height = Image.open(CARDS / name / "reaches.png").size
    assert width > height > 100


def test_there_are_no_cards_of_files_that_do_not_ship():
    assert sorted(path.name for path in CARDS.iterdir()) == shipped_agents()


def test_the_card_of_the_main_networks_tells_the_savings_of_the_page():
    found = metrics_of(CARDS / "gru128-paper" / "README.md")
    saved = found["SavingsReach-v0", "initial_savings"]
    low, high = saved.metric_args["interval_95"]
    quantities = json.loads((RESULTS / "learning.json").read_text())["quantities"]
    (quantity,) = [each for each in quantities if each["name"] == INITIAL_SAVINGS]
    assert (saved.metric_value, low, high) == pytest.approx((quantity["value"], *quantity["ci"]), rel=1e-3)


def test_the_card_of_the_networks_of_the_benchmark_tells_the_savings_of_its_row():
    found = metrics_of(CARDS / "gru128" / "README.md")
    row = check_row(ROWS[FOR_ENVIRONMENTS])["results"]["reset"]["statistics"]
    beyond, ratio = row["against_sham"]["initial"], row["rate_savings"]
    saved, rate = (found["SavingsReach-v0", key] for key in ("initial_savings_beyond_sham", "rate_ratio"))
    assert saved.metric_value == pytest.approx(1e3 * beyond["mean"], rel=1e-3)
    assert saved.metric_args["interval_95"] == pytest.approx([1e3 * end for end in beyond["ci"]], rel=1e-3)
    assert (rate.metric_value, rate.metric_args["n"]) == (pytest.approx(ratio["ratio"], rel=1e-3), 8)
    assert row_metrics(PRETRAINED / "gru32-paper.safetensors") == []


def test_every_run_that_the_figures_show_is_found():
    names = {name for name in shipped_agents() if shown_metrics(PRETRAINED / f"{name}.safetensors")}
    assert names >= {"gru32-paper", "gru128-paper"}


def test_the_code_of_a_card_runs():
    text = (CARDS / "gru32-paper" / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert re.fullmatch(r"\d+\.\d mm to the right of the line\n", done.stdout), done.stderr


def test_the_command_of_a_card_can_be_copied():
    path = PRETRAINED / "gru32-paper.safetensors"
    config = Card((path,), Path("elsewhere"), run=Path("runs/a b"), sham=Path("runs/sham"))
    expected = "python -m experiments.share.card experiments/pretrained/gru32-paper.safetensors"
    assert command(path, config) == f"{expected} --run 'runs/a b' --sham runs/sham"
    assert command(path, Card((path,))) == expected


def test_two_files_of_one_name_are_refused(tmp_path):
    path = PRETRAINED / "gru32-paper.safetensors"
    (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match="two have 'gru32-paper': rename one"):
        Card((path, tmp_path / path.name))


def test_the_command_of_a_card_pretrains_such_networks():
    stored = read_metadata(PRETRAINED / "gru128-paper.safetensors")["joined"][1]["pretraining"]
    command = pretraining_command(stored, "mine.safetensors")
    assert command == (
        "python -m experiments.pretrain --out mine.safetensors --seed 1 --delays.vision 0.06 "
        "--delays.cue 0.07 --training-go 0.11 0.3"
    )
    louder = {**stored, "noise": {**stored["noise"], "vision": 0.01}}
    assert "--noise.vision 0.01" in pretraining_command(louder, "mine.safetensors")
    older = read_metadata(PRETRAINED / "gru128.safetensors")["pretraining"]
    expected = "--updates 10500 --initial-weights gates"
    assert pretraining_command(older, "a.safetensors").endswith(f"--out a.safetensors {expected}")


@pytest.mark.parametrize("name", shipped_agents())
def test_the_commands_of_a_card_have_the_arguments_that_its_file_stores(name):
    text, metadata = (
        (CARDS / name / "README.md").read_text(),
        read_metadata(PRETRAINED / f"{name}.safetensors"),
    )
    parts = [part["pretraining"] for part in metadata.get("joined", [metadata])]
    commands = re.findall(r"^python -m experiments\.pretrain (.+)$", text, re.MULTILINE)
    assert len(commands) == len(parts)
    for line, arguments in zip(commands, parts, strict=True):
        config = tyro.cli(Pretraining, args=line.split(), default=PRETRAINING_PRESETS["environment"])
        assert {key: stored(config)[key] for key in arguments if key != "out"} == {
            key: value for key, value in arguments.items() if key != "out"
        }
    outs = [line.split()[1] for line in commands]
    joining = f"python -m experiments.join_networks {' '.join(outs)} --out {name}.safetensors"
    assert (joining in text) == (len(parts) > 1)
    assert (OLDER_ARM in text) == (name in ("gru128", "gru128-motor"))
