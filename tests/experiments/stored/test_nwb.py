"""Activity in NWB: every number of the data set, in files that the format's own tools accept."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from lively_networks import lively

from agents.supervised.reaches import centre_out_targets
from agents.supervised.record import record
from experiments.stored import activity as command
from experiments.stored.nwb import BETWEEN, SERIES, write_nwb

START = datetime(2026, 1, 2, tzinfo=UTC)
pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")


@pytest.fixture(scope="module")
def activity() -> xr.Dataset:
    return record({"NF1": lively(), "FF1": lively(seed=8)})


@pytest.fixture(scope="module")
def files(activity: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_nwb(activity, tmp_path_factory.mktemp("nwb"), START, "test")


def test_every_network_is_a_session_with_all_its_numbers(activity: xr.Dataset, files: list[Path]) -> None:
    assert [file.name for file in files] == ["network-000.nwb", "network-001.nwb"]
    assert sorted(path.name for path in files[0].parent.iterdir()) == [file.name for file in files]
    for network, file in enumerate(files):
        with pynwb.NWBHDF5IO(file, "r") as opened:
            session = opened.read()
            assert session.session_start_time == START and session.identifier == f"test-{network:03d}"
            trials = session.trials.to_dataframe()
            assert trials["phase"].tolist() == ["NF1"] * 8 + ["FF1"] * 8
            assert trials["target"].tolist() == [*range(8)] * 2 and set(trials["field"]) == {"null"}
            np.testing.assert_array_equal(np.stack(trials["target_position"][:8]), centre_out_targets())
            behaviour = session.processing["behavior"]
            series = {"hand": behaviour["Position"]["hand"], "hidden": session.acquisition["unit_activity"]}
            series |= {name: behaviour[SERIES[name][0]] for name in SERIES if name != "hidden"}
            for variable, stored in series.items():
                expected = activity[variable].sel(network=network)
                for trial, row in enumerate(trials.itertuples()):
                    now = (stored.timestamps[:] >= row.start_time) & (stored.timestamps[:] < row.stop_time)
                    one = expected.sel(phase=row.phase, target=row.target)
                    np.testing.assert_array_equal(stored.data[:][now], one.to_numpy(), err_msg=variable)
                    np.testing.assert_allclose(stored.timestamps[:][now] - row.start_time, activity["time"])
                    assert row.start_time == pytest.approx(trial * (1.0 + BETWEEN))


def test_the_validator_and_the_inspector_of_the_format_accept_them(files: list[Path]) -> None:
    inspector = pytest.importorskip("nwbinspector", reason="nwbinspector is not installed")
    for file in files:
        assert pynwb.validate(path=str(file)) == []
        said = {message.check_function_name for message in inspector.inspect_nwbfile(nwbfile_path=file)}
        assert said <= {"check_subject_exists", "check_experimenter_exists"}  # a simulation has neither


def test_the_option_needs_pynwb_before_any_work(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert command.main([str(tmp_path), "--nwb"]) == 2
    assert "pip install 'savings_gym[nwb]'" in caplog.text and not any(tmp_path.iterdir())


def test_the_command_writes_them_beside_the_data_set(
    tmp_path: Path, activity: xr.Dataset, monkeypatch
) -> None:
    kept = activity.assign_attrs(weights="0123456789abcdef"), True
    monkeypatch.setattr(command, "_loaded_or_recorded", lambda config: kept)
    (tmp_path / "activity.nc").touch()
    assert command.main([str(tmp_path), "--nwb"]) == 0
    assert [path.name for path in sorted((tmp_path / "nwb_null").iterdir())] == [
        "network-000.nwb", "network-001.nwb",
    ]  # fmt: skip
