"""The journal, and what a person sees of a sweep."""

from pathlib import Path

from experiments.sweep.cell_run import FAILED, FINISHED, INTERRUPTED, STARTED, Outcome, Task
from experiments.sweep.grid import Cell
from experiments.sweep.journal import JournalReader, JournalWriter, last_failures
from experiments.sweep.progress import Progress, duration


def test_a_reader_sees_what_several_writers_append(tmp_path):
    reader, one, other = JournalReader(tmp_path), JournalWriter(tmp_path), JournalWriter(tmp_path)
    assert reader.new() == []
    first = one.write("a", Outcome(STARTED))
    second = other.write("b", Outcome(FAILED, "no space", 2.0))
    assert reader.new() == [first, second]
    assert reader.new() == []
    third = one.write("a", Outcome(FINISHED, seconds=1.5))
    assert reader.new() == [third]
    assert JournalReader(tmp_path).new() == [first, second, third]


def test_a_torn_line_is_passed_over_and_read_when_whole(tmp_path):
    writer = JournalWriter(tmp_path)
    event = writer.write("a", Outcome(STARTED))
    file = next((tmp_path / "journal").iterdir())
    whole = file.read_bytes()
    reader = JournalReader(tmp_path)
    file.write_bytes(whole + b'{"cell": "b", "sta')
    assert reader.new() == [event]
    file.write_bytes(whole + b'{"cell": "b", "sta\n' + whole)  # another process went on after it
    assert reader.new() == [event]


def test_the_last_attempt_decides_whether_a_cell_failed(tmp_path):
    writer = JournalWriter(tmp_path)
    writer.write("a", Outcome(FAILED, "first"))
    writer.write("a", Outcome(FINISHED))
    writer.write("b", Outcome(FAILED, "second"))
    writer.write("b", Outcome(STARTED))
    writer.write("b", Outcome(INTERRUPTED))
    assert [event.cell for event in last_failures(JournalReader(tmp_path).new()).values()] == ["b"]


def _tasks(works):
    return [Task(Cell("savings", {"seed": i}), Path(), 0, work) for i, work in enumerate(works)]


def test_time_left_follows_the_work_not_the_number_of_cells():
    now = [0.0]
    tasks = _tasks([1.0, 1.0, 8.0])
    progress = Progress(tasks, 5, ["seed"], clock=lambda: now[0])
    assert progress.seconds_left() is None
    progress.note(tasks[0].cell.name, Outcome(STARTED))
    now[0] = 10.0
    progress.note(tasks[0].cell.name, Outcome(FINISHED))
    assert progress.seconds_left() == 90.0
    assert progress.line() == "6 of 8 cells finished, 0 running, 90 s left"


def test_failures_are_counted_until_the_cell_finishes():
    tasks = _tasks([1.0, 1.0])
    progress = Progress(tasks, 0, ["seed"], clock=lambda: 0.0)
    for outcome in (Outcome(STARTED), Outcome(FAILED, "no space")):
        progress.note(tasks[1].cell.name, outcome)
    assert progress.failed == {tasks[1].cell.name: "no space"} and not progress.running
    assert "1 failed" in progress.line() and progress.describe(tasks[1].cell.name) == "seed 1"
    progress.note(tasks[1].cell.name, Outcome(FINISHED))
    progress.note("of another sweep", Outcome(FINISHED))
    assert not progress.failed and progress.done == {tasks[1].cell.name}


def test_durations_read_well():
    assert [duration(seconds) for seconds in (40, 119, 725, 12_600, 181_440)] == [
        "40 s", "119 s", "12 min", "3.5 h", "2.1 days",
    ]  # fmt: skip
