"""Rows as files: they follow from their tables, what does not is refused by name, the page shows all."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from planted_probes import PHASES, plant

from experiments.benchmark import page, row, row_add, row_file
from experiments.benchmark.protocol import CONTENT
from experiments.benchmark.row_file import SCHEMA, check_row, read_rows, row_tables
from experiments.benchmark.rows import statistics
from experiments.runs.out import PAGE
from savings_gym import four_phase
from savings_gym.files import open_folder, write_json, write_table

RESULTS = Path(page.__file__).parents[1] / "results"
TOLD = ["--description", "planted", "--code", "https://example.org/mine"]


def write_run(folder, seed, sham=False, config=None):
    """What `SavingsCallback` leaves of one seed; savings of 1 mm, and none of the sham."""
    if config is not None:
        open_folder(folder, config)
    start = {"NF1": 0.0, "FF1": 0.0 if sham else 0.030, "NF2": -0.02, "FF2": 0.030 if sham else 0.029}
    table = plant(1, 30, noise=1e-5, seed=seed, start=start)
    table["network"] = np.full(len(table["trial"]), seed)
    table["endpoint_error"] = np.full(len(table["trial"]), 0.004 + 1e-4 * seed)
    write_table(folder / "probes.parquet", table)
    adaptation = {"NF1": 0.0, "FF1": 0.8 + 0.01 * seed, "NF2": 0.0, "FF2": 0.8}
    write_json(folder / "summary.json", {"complete": True, "adaptation": adaptation, "wall_time_s": 60.0})


@pytest.fixture
def runs(tmp_path):
    for seed in range(3):
        write_run(tmp_path / "runs" / f"seed-{seed}", seed)
        write_run(tmp_path / "runs" / f"sham-seed-{seed}", seed, sham=True)
    return tmp_path / "runs"


@pytest.fixture
def file(runs, tmp_path):
    out = tmp_path / "rows" / "mine"
    assert row.main([str(runs), "--agent", "mine", "--out", str(out), *TOLD]) == 0
    return out / "row.json"


def test_a_row_has_the_numbers_of_its_tables_and_the_form_of_its_schema(file):
    content = check_row(file)
    jsonschema.Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))
    assert content["seeds"] == content["sham_seeds"] == [0, 1, 2]
    assert content["trials"] == {phase: [232] * 3 for phase in PHASES}
    assert content["control_steps"] == 6 * 4 * 232 * 100
    result = content["results"]["reset"]
    assert result["values"]["channel_FF1"] == pytest.approx([0.80, 0.81, 0.82])
    assert result["statistics"]["initial_savings"]["mean"] == pytest.approx(1e-3, abs=1e-4)
    assert result["statistics"]["against_sham"]["initial"]["mean"] == pytest.approx(1e-3, abs=1e-4)
    probes = pd.read_parquet(file.with_name("probes.parquet"))
    assert len(probes) == 6 * 4 * 30 * 8 and probes["sham"].sum() == len(probes) / 2


@pytest.mark.parametrize(
    "place",
    ["control_steps", "seeds.1", "trials.FF1.0", "results.reset.values.ff1_initial.2",
     "results.reset.statistics.rate_savings.ci.0", "results.reset.statistics.against_sham.initial.p"],
)  # fmt: skip
def test_a_number_that_the_tables_do_not_give_is_refused_by_name(file, place, caplog):
    content = json.loads(file.read_text())
    *parts, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    inner = content
    for part in parts:
        inner = inner[part]
    inner[last] = inner[last] * 2 + 5
    file.write_text(json.dumps(content))
    assert row.main(["check", str(file)]) == 2
    named = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in place.split("."))[1:]
    assert f"{named} is " in caplog.text and "the tables give" in caplog.text


def test_a_run_without_a_phase_or_its_channel_is_refused_by_name(runs, tmp_path, caplog):
    folder = runs / "seed-0"
    summary = json.loads((folder / "summary.json").read_text())
    del summary["adaptation"]["FF1"]
    write_json(folder / "summary.json", summary)
    make = [str(runs), "--agent", "mine", "--out", str(tmp_path / "row"), *TOLD]
    assert row.main(make) == 2 and "seed-0 has no reaches in a channel at the end of FF1" in caplog.text
    write_run(folder, 0)
    for seed in range(3):
        for name in (f"seed-{seed}", f"sham-seed-{seed}"):
            table = pd.read_parquet(runs / name / "probes.parquet")
            write_table(runs / name / "probes.parquet", table[table["phase"] != "FF2"])
    assert row.main(make) == 2 and "probes.parquet has no FF2 with a field in FF1" in caplog.text


def test_a_number_too_many_or_too_few_is_refused(file, caplog):
    content = json.loads(file.read_text())
    statistics = content["results"]["reset"]["statistics"]
    statistics["bogus"] = "nothing"
    file.write_text(json.dumps(content))
    assert row.main(["check", str(file)]) == 2 and "bogus is 'nothing', the tables give no" in caplog.text
    del statistics["bogus"], statistics["ff1_initial"]
    file.write_text(json.dumps(content))
    assert row.main(["check", str(file)]) == 2 and "ff1_initial is missing, the tables give" in caplog.text


@pytest.mark.parametrize(
    ("lengths", "refused"),
    [({}, ""), ({"nf1": 9999}, ""), ({"ff1": 239}, ""), ({"ff1": 4800}, "protocol.ff1 is 4800"),
     ({"nf1": 200}, "protocol.nf1 is 200"), ({"ff2": 231}, "the tables have 232 to 232 trials")],
)  # fmt: skip
def test_a_protocol_of_other_lengths_than_those_of_the_tables_is_refused(lengths, refused, file, caplog):
    content = json.loads(file.read_text())
    content["protocol"] = dict.fromkeys(("nf1", "ff1", "nf2", "ff2"), 232) | lengths
    file.write_text(json.dumps(content))
    assert row.main(["check", str(file)]) == (2 if refused else 0)
    assert refused in caplog.text


def test_a_sham_that_learned_another_nf1_is_warned_of(file, caplog):
    probes = pd.read_parquet(file.with_name("probes.parquet"))
    row_file.warn_of_unlike_nf1(probes)
    assert not caplog.records
    of_sham = probes["sham"] & (probes["phase"] == "NF1") & (probes["network"] == 1)
    probes.loc[of_sham, "endpoint_error"] *= 0.5
    row_file.warn_of_unlike_nf1(probes)
    assert "not that of its job in seed 1:" in caplog.text


def test_a_changed_or_missing_table_and_another_form_are_refused(file, caplog):
    table = file.with_name("probes.parquet")
    data, content = table.read_bytes(), json.loads(file.read_text())
    table.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert row.main(["check", str(file.parent)]) == 2 and "probes.parquet is not the table" in caplog.text
    table.unlink()
    assert row.main(["check", str(file)]) == 2 and "probes.parquet is missing" in caplog.text
    del content["code"]
    file.write_text(json.dumps(content))
    assert row.main(["check", str(file)]) == 2
    assert "is not a row of the benchmark: 'code' is a required property" in caplog.text
    assert row.main(["check", str(file.with_name("no.json"))]) == 2 and "there is no row" in caplog.text


def test_seeds_that_hardly_differ_pass_although_their_p_amplifies_rounding(file):
    """A fit of another machine differs in the tenth digit; between two like seeds, t differs in the third."""
    content = json.loads(file.read_text())
    result = content["results"]["reset"]
    rates = result["values"]["ff1_rate"]
    result["values"]["ff1_rate"] = [rate * (1 + 1e-8 * i) for i, rate in enumerate(rates)]
    result["statistics"] = json.loads(json.dumps(statistics(result["values"])))
    file.write_text(json.dumps(content))
    check_row(file)


@pytest.mark.parametrize(
    "committed", sorted(RESULTS.glob("*/rows/*/row.json")), ids=lambda file: file.parent.name
)
def test_committed_rows_follow_from_their_tables(committed):
    check_row(committed)


def test_numbers_may_differ_by_what_another_machine_rounds(file):
    content = json.loads(file.read_text())
    content["results"]["reset"]["statistics"]["ff1_initial"]["mean"] *= 1 + 1e-9
    file.write_text(json.dumps(content))
    check_row(file)


def test_a_row_that_grows_is_the_row_made_at_once(runs, file, tmp_path):
    parts, out = (tmp_path / "first", tmp_path / "second"), tmp_path / "grown"
    for seed, part in ((1, 1), (0, 0), (2, 1)):
        for name in (f"seed-{seed}", f"sham-seed-{seed}"):
            shutil.copytree(runs / name, parts[part] / name)
    made = "python mine.py --seeds 0"
    assert row.main([str(parts[0]), "--agent", "mine", "--out", str(out), "--command", made, *TOLD]) == 0
    assert row.main(["add", str(parts[1]), str(out)]) == 0
    grown, whole = check_row(out / "row.json"), check_row(file)
    assert grown.pop("command") == "python mine.py --seeds 0 1 2" and whole.pop("command") is None
    assert grown == whole  # the digests of the tables included


def test_what_parts_of_a_row_say_stands_there_once(runs, tmp_path):
    out, commits = tmp_path / "grown", ("a", "b", "b")
    for seed, commit in enumerate(commits):
        part = tmp_path / f"part-{seed}"
        shutil.copytree(runs / f"seed-{seed}", part / f"seed-{seed}")
        if seed:
            content = json.loads((out / "row.json").read_text())
            assert row_add._both(content["commit"], commit) == "a, b"
            assert row.main(["add", str(part), str(out)]) == 0
            write_json(out / "row.json", json.loads((out / "row.json").read_text()) | {"commit": "a, b"})
        else:
            made = ["--commit", commit, "--command", "python mine.py"]
            assert row.main([str(part), "--agent", "mine", "--out", str(out), *made, *TOLD]) == 0
    content = check_row(out / "row.json")
    assert content["seeds"] == [0, 1, 2]
    assert content["command"] is None  # the one that was given makes seed 0 alone


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, "the row has seed 0 already"),
        ({"hyperparameters": {"gamma": 0.9}}, "hyper_parameters.gamma is None, that of the new seeds 0.9"),
    ],
)
def test_seeds_that_do_not_belong_to_a_row_are_refused(change, message, file, tmp_path, caplog):
    write_run(tmp_path / "more", 0 if change is None else 4, config=change)
    before = {part.name: part.read_bytes() for part in file.parent.iterdir()}
    assert row.main(["add", str(tmp_path / "more"), str(file)]) == 2 and message in caplog.text
    assert before == {part.name: part.read_bytes() for part in file.parent.iterdir()}


def test_the_row_of_an_ensemble_does_not_grow(runs, tmp_path, caplog):
    out = tmp_path / "ensemble"
    made = ["--agent", "mine", "--kind", "pre-trained", "--out", str(out), *TOLD]
    assert row.main([str(runs / "seed-0"), *made]) == 0
    assert row.main(["add", str(runs / "seed-1"), str(out)]) == 2
    assert "is the row of an ensemble, whose networks are made together" in caplog.text


def test_a_row_does_not_replace_that_of_another_agent(runs, file, caplog):
    again = [str(runs), "--out", str(file.parent), *TOLD]
    assert row.main([*again, "--agent", "other"]) == 2 and "has the row of mine, not of other" in caplog.text
    assert row.main([*again, "--agent", "mine"]) == 0


def test_shams_are_known_by_their_schedule_or_given(tmp_path):
    phases = four_phase(nf1=8, ff1=8, nf2=8, ff2=8)
    for name, b in (("a", 8.0), ("b", 0.0)):
        schedule = phases.to_dict()
        if not b:
            schedule["phases"][1]["field"] = schedule["phases"][0]["field"]
        config = {"schedule": schedule, "algorithm": "PPO", "hyperparameters": {"gamma": 0.9}}
        write_run(tmp_path / "runs" / name, 0, not b, json.loads(json.dumps(config)))
    out = tmp_path / "row"
    assert row.main([str(tmp_path / "runs"), "--out", str(out), *TOLD]) == 0
    content = check_row(out / "row.json")
    assert content["agent"] == "PPO" and content["hyper_parameters"] == {"gamma": 0.9}
    assert content["seeds"] == content["sham_seeds"] == [0]
    write_run(tmp_path / "one", 4)
    write_run(tmp_path / "other", 4, sham=True)
    command = [str(tmp_path / "one"), "--sham", str(tmp_path / "other"), "--agent", "PPO"]
    assert row.main([*command, "--out", str(out), *TOLD]) == 0
    assert check_row(out / "row.json")["sham_seeds"] == [4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", *TOLD], "does not say the agent of the row: give --agent"),
        (["runs", "--agent", "mine"], "does not say the description of the row: give --description"),
        (["make", "nowhere", *TOLD], "neither nowhere nor a folder in it has probes.parquet"),
        (["runs", "--agent", "mine", "--sham", "runs/seed-0", *TOLD], "both hold network 0: give every seed"),
        (["runs/none", *TOLD], "neither runs/none nor a folder in it has probes.parquet"),
        (["--agent", "mine", *TOLD, "runs/sham-seed-0"], "holds shams only"),
    ],
)
def test_what_a_row_cannot_be_made_of_is_refused(arguments, message, runs, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    assert row.main(arguments) == 2 and message in caplog.text
    assert not (tmp_path / "runs" / "rows").exists()


@pytest.mark.parametrize(
    ("word", "listed"), [("chek", "make, add, check"), ("make", "--kind {learner,pre-tr")]
)
def test_commands_and_arguments_that_do_not_exist_are_answered_with_those_that_do(word, listed, capsys):
    with pytest.raises(SystemExit) as end:
        row.main([word, "runs", "--kin", "x"])
    assert end.value.code == 2 and listed in capsys.readouterr().err


def test_the_page_shows_their_row_as_ours(file, tmp_path, caplog):
    content = json.loads((page.COMMITTED / CONTENT).read_text())
    write_json(tmp_path / CONTENT, content)
    assert page.main(["--folder", str(tmp_path)]) == 0
    text = (tmp_path / PAGE).read_text()
    ours, theirs = (
        next(line for line in text.splitlines() if line.startswith(f"| {name} | "))
        for name in ("ppo", "mine")
    )
    assert ours.count("|") == theirs.count("|") and theirs.startswith("| mine | 3 | 0 |")
    assert "planted ([code](https://example.org/mine))" in text
    assert "- mine: FF1 232, NF2 232, FF2 232\n" in text  # its terms, which are not those of the page
    assert "mine" not in (tmp_path / CONTENT).read_text()  # it stays in its files, where it is checked
    other = file.parents[1] / "again"
    other.mkdir()
    for part in file.parent.iterdir():
        (other / part.name).write_bytes(part.read_bytes())
    assert page.main(["--folder", str(tmp_path)]) == 2 and "more than one row file of mine" in caplog.text
    shutil.rmtree(other)
    rows = read_rows(tmp_path / "rows")
    (table,) = row_tables(tmp_path / "rows", rows)
    assert set(table["network"]) == {0, 1, 2} and not table["sham"].any()
