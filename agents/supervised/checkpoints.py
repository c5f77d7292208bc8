"""Ensembles in files: safetensors with cell, sizes and free metadata; written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from agents.supervised.networks import CELLS, Ensemble, make_ensemble
from savings_gym.files import write_atomically


def save_ensemble(path: Path, ensemble: Ensemble, **metadata: Any) -> None:
    """Saves all parameters in float32; ``metadata`` must go through JSON."""
    tensors = {
        name: value.detach().cpu().to(torch.float32).contiguous()
        for name, value in ensemble.named_parameters()
    }
    about = {"cell": ensemble.cell, "networks": ensemble.networks, "units": ensemble.units, **metadata}
    write_atomically(path, save(tensors, {"savings_gym": json.dumps(about, sort_keys=True)}))


def read_metadata(path: Path) -> dict[str, Any]:
    """What was saved beside the parameters.

    Raises:
        FileNotFoundError, ValueError: when the file is missing, truncated or of another kind.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights file {str(path)!r}")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            about = dict(json.loads(metadata["savings_gym"]))
            return {name: about[name] for name in ("cell", "networks", "units")} | about
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not a whole weights file of this project: {error}") from error


def actuation_of(path: Path) -> str:
    """Actuation of the arm that networks in a file learned to move; older files do not say: muscle.

    Raises:
        FileNotFoundError, ValueError: as ``read_metadata``.
    """
    first = _parts(read_metadata(path))[0]
    return str(first.get("pretraining", {}).get("actuation", "muscle"))


def pretraining_of(path: Path) -> list[str]:
    """How every network in a file was pre-trained, such as ``"10500 batches"``, or ``"not known"``.

    Raises:
        FileNotFoundError, ValueError: as ``read_metadata``.
    """
    return [_told(part) for part in _parts(read_metadata(path)) for _ in range(part["networks"])]


def _parts(about: dict[str, Any]) -> list[dict[str, Any]]:
    """Metadata of the files that a file was joined of."""
    return [deeper for part in about["joined"] for deeper in _parts(part)] if "joined" in about else [about]


def _told(about: dict[str, Any]) -> str:
    made = about.get("pretraining", {})
    if "updates" not in made:
        return "not known"
    falling = made.get("anneal", 0)
    return f"{made['updates']} batches" + (f", the last {falling} with a falling rate" if falling else "")


def join_ensembles(paths: Sequence[Path], out: Path) -> None:
    """Writes networks of several files into one, in order: those of the first file keep their numbers.

    What each file said about itself stays in the metadata, under ``"joined"``, a list.

    Args:
        paths: two or more files of one cell and size.
        out: the new file.

    Raises:
        FileNotFoundError, ValueError: as ``read_metadata``, or when cells, sizes or arms differ, a file is
            named twice, or there are fewer than two.
        FileExistsError: when ``out`` is there.
    """
    if len(paths) < 2 or len({path.resolve() for path in paths}) < len(paths):
        raise ValueError(f"expected two or more different files, got {[str(path) for path in paths]}")
    if out.exists():
        raise FileExistsError(f"{str(out)!r} is there already: choose another file or remove it")
    about = [read_metadata(path) for path in paths]
    for name in ("cell", "units"):
        for path, found in zip(paths, about, strict=True):
            if found[name] != about[0][name]:
                raise ValueError(
                    f"{str(path)!r} holds networks of {name} {found[name]!r}, {str(paths[0])!r} of "
                    f"{about[0][name]!r}: only networks of one {name} can be joined"
                )
    if len(arms := {actuation_of(path) for path in paths}) > 1:
        raise ValueError(f"files hold networks that learned with the actuations {', '.join(sorted(arms))}")
    parts = [load_ensemble(path) for path in paths]
    whole = make_ensemble(about[0]["cell"], sum(part.networks for part in parts), parts[0].units, seed=0)
    with torch.no_grad():
        for name, parameter in whole.named_parameters():
            parameter.copy_(torch.cat([getattr(part, name) for part in parts]))
    save_ensemble(out, whole, joined=about)


def load_ensemble(
    path: Path,
    networks: int | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Ensemble:
    """An ensemble from a file, or its first ``networks`` networks.

    Raises:
        FileNotFoundError, ValueError: as ``read_metadata``, or when the file holds fewer networks.
    """
    about = read_metadata(path)
    if about.get("cell") not in CELLS:
        raise ValueError(
            f"{str(path)!r} holds networks of cell {about.get('cell')!r}; known: {', '.join(CELLS)}"
        )
    held = int(about["networks"])
    count = held if networks is None else networks
    if not 1 <= count <= held:
        raise ValueError(f"{str(path)!r} holds {held} networks, {count} were asked for; choose 1 to {held}")
    ensemble = make_ensemble(about["cell"], count, int(about["units"]), seed=0, device=device, dtype=dtype)
    try:
        with safe_open(path, "pt") as file, torch.no_grad():
            for name, parameter in ensemble.named_parameters():
                parameter.copy_(file.get_tensor(name)[:count])
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error
    return ensemble
