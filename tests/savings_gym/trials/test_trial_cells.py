"""Cells of trial tables: the values that a column takes, and the cell that is named if it holds another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savings_gym.trials import read_trials
from savings_gym.trials.cells import LARGEST_TRIAL, MISSING, FileColumn

HEADING = ("participant", "phase", "trial", "lateral_deviation", "perturbation", "clamp", "channel", "target")
ROW = {"participant": "S1", "phase": "A", "trial": 1, "lateral_deviation": 2.0}
MM = {"lateral_deviation": "mm"}


def csv_table(path, *changes):
    """A table of one participant, a trial per dict of changed cells."""
    rows = [{**dict.fromkeys(HEADING, ""), **ROW, "trial": k, **change} for k, change in enumerate(changes)]
    path.write_text("\n".join([",".join(HEADING), *(",".join(map(str, row.values())) for row in rows)]))
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(("off", "on"), [(0, 1), (0.0, 1.0), (False, True)])
def test_a_channel_is_0_or_1_or_a_boolean_or_missing(tmp_path, kind, off, on):
    path = csv_table(tmp_path / "a.csv", *({"channel": cell} for cell in (on, off, "", "nan")))
    if kind == "parquet":
        pd = pytest.importorskip("pandas")
        rows = [{**ROW, "trial": k, "channel": cell} for k, cell in enumerate((on, off, None, None))]
        path = tmp_path / "a.parquet"
        pd.DataFrame(rows).to_parquet(path)
    design = read_trials(path, units=MM).series("S1", {"A": 1.0})[0]
    assert design.channel.tolist() == [True, False, False, False]
    assert design.perturbation.tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("cell", ["2", "0.5", "-1", "yes", "inf"])
def test_any_other_channel_is_refused(tmp_path, cell):
    path = csv_table(tmp_path / "a.csv", {"channel": 1}, {"channel": cell})
    with pytest.raises(
        ValueError, match=f"a.csv, row 3, column 'channel': '{cell}' is none of 0, 1, True and"
    ):
        read_trials(path, units=MM)


@pytest.mark.parametrize("column", ["participant", "phase"])
@pytest.mark.parametrize("cell", sorted(MISSING))
def test_a_trial_without_participant_or_phase_is_refused(tmp_path, column, cell):
    path = csv_table(tmp_path / "a.csv", {}, {column: cell.upper()})
    message = f"'{cell.upper()}' is a missing value" if cell else "the cell is empty"
    with pytest.raises(ValueError, match=f"a.csv, row 3, column '{column}': {message}"):
        read_trials(path, units=MM)


@pytest.mark.parametrize("column", ["participant", "phase"])
@pytest.mark.parametrize("cell", [None, float("nan")])
def test_a_missing_name_in_a_parquet_file_is_refused(tmp_path, column, cell):
    pd = pytest.importorskip("pandas")
    pd.DataFrame([ROW, {**ROW, "trial": 2, column: cell}]).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=f"a.parquet, row 3, column '{column}': .* is a missing value"):
        read_trials(tmp_path / "a.parquet", units=MM)


def test_a_missing_target_has_no_name(tmp_path):
    pd = pytest.importorskip("pandas")
    rows = [{**ROW, "trial": k, "target": target} for k, target in enumerate(("far", None))]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    assert read_trials(tmp_path / "a.parquet", units=MM).target.tolist() == ["far", ""]


@pytest.mark.parametrize("column", ["lateral_deviation", "perturbation", "clamp"])
@pytest.mark.parametrize("cell", ["inf", "-inf", "1e400"])
def test_infinite_values_are_refused(tmp_path, column, cell):
    path = csv_table(tmp_path / "a.csv", {column: cell})
    with pytest.raises(ValueError, match=f"a.csv, row 2, column '{column}': '{cell}' is not a finite number"):
        read_trials(path, units=MM)


@given(st.integers(-LARGEST_TRIAL, LARGEST_TRIAL))
def test_numbers_of_trials_are_exact(number):
    assert FileColumn("a.csv", "trial", [str(number)]).trial_numbers().tolist() == [number]


@pytest.mark.parametrize("cell", [str(2**53), str(-(2**53)), str(2**53 + 1), "1e30"])
def test_a_number_of_a_trial_that_is_not_exact_is_refused(tmp_path, cell):
    path = csv_table(tmp_path / "a.csv", {"trial": cell})
    with pytest.raises(ValueError, match=f"row 2, column 'trial': '{cell}' is beyond {LARGEST_TRIAL}"):
        read_trials(path, units=MM)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "participant,phase,trial,angle\nS1,A,1,2\nJosé,A,1,2\n".encode("latin-1"),
            "row 3: the byte 0xe9 is",
        ),
        ("participant,phase,trial,angle\nS1,A,1,2\n".encode("utf-16"), "row 1: the byte 0xff is not UTF-8"),
        (b'participant,phase,trial,angle\n"' + b"S" * 200_000, "is not a table: field larger than"),
    ],
)
def test_a_file_that_is_no_text_table_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "people.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"people.csv.* {message}|people.csv, {message}"):
        read_trials(tmp_path / "people.csv", units={"angle": "deg"})


def test_a_byte_order_mark_is_no_part_of_the_heading(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("participant,phase,trial,angle\nJosé,A,1,2\n", encoding="utf-8-sig")
    assert read_trials(path, units={"angle": "deg"}).participants == ("José",)


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    pd = pytest.importorskip("pandas")
    pd.DataFrame([ROW]).iloc[:0].to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="a.parquet has no rows"):
        read_trials(tmp_path / "a.parquet", units=MM)
