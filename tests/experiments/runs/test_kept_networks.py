"""Networks that diverged are told from the others by their numbers."""

import json

import pytest

from experiments.runs.networks import kept_networks, of_kept_networks

STOP = {"phase": "FF1", "update": 3}


def test_values_of_networks_that_diverged_are_left_out():
    assert of_kept_networks({"stopped": {"1": STOP, "10": STOP}}, range(12)) == [0, *range(2, 10), 11]
    assert of_kept_networks({}, "abc") == ["a", "b", "c"]
    assert of_kept_networks({"stopped": {"1": STOP}}, []) == []


@pytest.mark.parametrize(("stopped", "kept"), [({}, [0, 1, 2]), ({"stopped": {"0": STOP}}, [1, 2])])
def test_the_summary_of_a_run_names_them(tmp_path, stopped, kept):
    assert kept_networks(tmp_path, 3) == [0, 1, 2]  # no summary yet
    (tmp_path / "summary.json").write_text(json.dumps({"networks": len(kept)} | stopped))
    assert kept_networks(tmp_path, 3) == kept
