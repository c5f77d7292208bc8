"""Ensembles in files: safetensors with cell, sizes and free metadata, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from agents.supervised.networks import Ensemble, check_cell, make_ensemble
from agents.supervised.reaches import Timing
from savings_gym.files import verified, write_atomically
from savings_gym.task.settings import Delays

UNKNOWN = "not known"  # how networks were pre-trained, in files that lack it


def save_ensemble(path: Path, ensemble: Ensemble, **metadata: Any) -> None:
    """Save all parameters in float32, with metadata that must go through JSON and a SHA-256 of both."""
    tensors = {
        name: value.detach().cpu().to(torch.float32).contiguous()
        for name, value in ensemble.named_parameters()
    }
    content = {"cell": ensemble.cell, "networks": ensemble.networks, "units": ensemble.units, **metadata}
    content["sha256"] = _digest(tensors, content)
    write_atomically(path, save(tensors, {"savings_gym": json.dumps(content, sort_keys=True)}))


def _digest(tensors: dict[str, torch.Tensor], content: dict[str, Any]) -> str:
    """Return the SHA-256 of parameters and metadata."""
    about = {name: value for name, value in content.items() if name != "sha256"}
    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {list(tensor.shape)}".encode() + tensor.numpy().tobytes())
    return total.hexdigest()


def read_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata of a weights file; ``cell``, ``networks`` and ``units`` are always there.

    Raises:
        FileNotFoundError, ValueError: If the file is missing, truncated or of another kind.
    """
    if not verified(path).is_file():
        raise FileNotFoundError(f"no weights file {str(path)!r}")
    try:
        with safe_open(path, "pt") as file:
            content = dict(json.loads((file.metadata() or {})["savings_gym"]))
            return {name: content[name] for name in ("cell", "networks", "units")} | content
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{str(path)!r} is not a whole weights file of this project: {error}") from error


def actuation_of(path: Path) -> str:
    """Return the actuation of the arm with which the networks in a file were pre-trained.

    It is ``"muscle"`` for older files, which lack it.

    Raises:
        FileNotFoundError, ValueError: As in `read_metadata`.
    """
    first = _parts(read_metadata(path))[0]
    return str(first.get("pretraining", {}).get("actuation", "muscle"))


def delays_of(path: Path) -> Delays:
    """Return the delays with which the networks in a file were pre-trained, the usual ones if it lacks them.

    Raises:
        FileNotFoundError, ValueError: As in `read_metadata`.
    """
    first = _parts(read_metadata(path))[0]
    return Delays(**first.get("pretraining", {}).get("delays", {}))


def delays_text(delays: Delays) -> str:
    """Return delays in words."""
    late = {"hand": delays.vision, "muscles": delays.proprioception, "cue": delays.cue_delay}
    return ", ".join(f"{name} {1e3 * seconds:.0f} ms" for name, seconds in late.items()) + " late"


def pretraining_of(path: Path) -> list[str]:
    """Describe how each network in a file was pre-trained, such as ``"10500 batches"`` or ``"not known"``.

    Raises:
        FileNotFoundError, ValueError: As in `read_metadata`.
    """
    parts = _parts(read_metadata(path))
    return [pretraining_text(part.get("pretraining", {})) for part in parts for _ in range(part["networks"])]


def pretraining_arguments(path: Path) -> list[dict[str, Any]]:
    """Return the arguments with which the networks in a file were pre-trained, one dict per joined file.

    A dict is empty if they are not known.

    Raises:
        FileNotFoundError, ValueError: As in `read_metadata`.
    """
    return [part.get("pretraining", {}) for part in _parts(read_metadata(path))]


def _parts(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """Metadata of the files from which a file was joined, or its own."""
    if "joined" not in metadata:
        return [metadata]
    return [deeper for part in metadata["joined"] for deeper in _parts(part)]


def pretraining_text(pretraining: dict[str, Any]) -> str:
    """Return arguments of a pre-training in words, as a weights file stores them."""
    if "updates" not in pretraining:
        return UNKNOWN
    falling = pretraining.get("anneal", 0)
    tail = f", the last {falling} with a falling rate" if falling else ""
    older = "stack" if "training_go" in pretraining else "gates"  # files that lack it were made so
    if pretraining.get("initial_weights", older) == "gates":
        tail += ", initial weights drawn gate by gate"
    delays = Delays(**pretraining.get("delays", {}))
    if Timing.of(delays) != Timing.of(Delays()):
        tail += f", {delays_text(delays)}"
    made = pretraining.get("updates_made", pretraining["updates"])  # fewer if a criterion ended it
    return f"{made} batches{tail}"


def join_ensembles(paths: Sequence[Path], out: Path) -> None:
    """Write the networks of several files into one, in order, so that those of the first keep their numbers.

    The metadata of the files are kept in a list, ``"joined"``.

    Args:
        paths: Two or more files of one cell and size.
        out: The new file.

    Raises:
        FileNotFoundError, ValueError: As in `read_metadata`, or if cells, sizes, pre-training or arms
            differ, a file is named twice, or there are fewer than two.
        FileExistsError: If ``out`` exists.
    """
    if len(paths) < 2 or len({path.resolve() for path in paths}) < len(paths):
        raise ValueError(f"expected two or more different files, got {[str(path) for path in paths]}")
    if out.exists():
        raise FileExistsError(f"{str(out)!r} exists already: choose another file or remove it")
    metadata = [read_metadata(path) for path in paths]
    first = metadata[0]
    for name in ("cell", "units"):
        for path, other in zip(paths, metadata, strict=True):
            if other[name] != first[name]:
                raise ValueError(
                    f"{str(path)!r} holds networks with {name} {other[name]!r}, {str(paths[0])!r} with "
                    f"{first[name]!r}: only networks with the same {name} can be joined"
                )
    if len(lengths := {text for path in paths for text in pretraining_of(path)}) > 1:
        raise ValueError(
            f"files hold networks that were pre-trained with {' and with '.join(sorted(lengths))}"
        )
    if len(arms := {actuation_of(path) for path in paths}) > 1:
        raise ValueError(f"the files hold networks that learned with different actuations: {sorted(arms)}")
    parts = [load_ensemble(path) for path in paths]
    joined = make_ensemble(first["cell"], sum(part.networks for part in parts), parts[0].units, seed=0)
    with torch.no_grad():
        for name, parameter in joined.named_parameters():
            parameter.copy_(torch.cat([getattr(part, name) for part in parts]))
    save_ensemble(out, joined, joined=metadata)


def load_ensemble(
    path: Path,
    networks: int | None = None,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Ensemble:
    """Load an ensemble from a file, or its first ``networks`` networks.

    Raises:
        FileNotFoundError, ValueError: As in `read_metadata`, or if the file was changed, or holds fewer
            networks, or networks of a cell that is not registered.
    """
    metadata = read_metadata(path)
    try:
        check_cell(metadata["cell"])
    except ValueError as error:
        raise ValueError(f"{str(path)!r} cannot be loaded: {error}") from error
    stored = int(metadata["networks"])
    count = stored if networks is None else networks
    if not 1 <= count <= stored:
        raise ValueError(f"{str(path)!r} holds {stored} networks, cannot load {count}; choose 1 to {stored}")
    ensemble = make_ensemble(
        metadata["cell"], count, int(metadata["units"]), seed=0, device=device, dtype=dtype
    )
    try:
        with safe_open(path, "pt") as file, torch.no_grad():
            tensors = {name: file.get_tensor(name) for name in file.keys()}
            for name, parameter in ensemble.named_parameters():
                parameter.copy_(tensors[name][:count])
    except (SafetensorError, RuntimeError, LookupError) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}") from error
    if "sha256" in metadata and metadata["sha256"] != _digest(tensors, metadata):  # older files lack it
        raise ValueError(f"{str(path)!r} is damaged: its content is not what was saved")
    return ensemble
