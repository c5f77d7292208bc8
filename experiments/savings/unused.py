"""Arguments of ``experiments.savings`` that would change nothing, refused where a command line gives them.

They may stand in stored runs, and in `Savings` that other commands make from these: a control has the
pre-training of its main run among its arguments, and starts from the weights that came of it.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Final

from agents.supervised.checkpoints import pretraining_arguments
from experiments.runs.command_line import refuse_unused
from experiments.savings.config import PRESETS, Savings, identity, start_weights
from savings_gym.files import holds_run

OF_SOME_PERTURBATIONS: Final = {
    "b": "without --perturbation curl",
    "angle_deg": "without --perturbation rotation",
    "onset": "with a perturbation whose parts state their own",
}
OF_PRETRAINING: Final = {  # with their names in weights files
    "pretraining_updates": "updates", "pretraining_anneal": "anneal", "pretraining_criterion": "criterion",
    "initial_weights": "initial_weights",
}  # fmt: skip


def check_given(config: Savings) -> None:
    """Refuse arguments of a command line that change nothing, unless the folder holds a run that has them.

    Raises:
        FileNotFoundError, ValueError: If there are such arguments, or as in `start_weights`.
    """
    weights = start_weights(config)
    try:
        refuse_unused(config, PRESETS[config.preset], _unused(config, weights))
    except ValueError:
        if not _has_begun(config, weights):
            raise


def _unused(config: Savings, weights: Path | None) -> dict[str, str]:
    """Arguments that have no effect beside the others, and why; see `refuse_unused`."""
    preset, unused = PRESETS[config.preset], {}
    for name, why in OF_SOME_PERTURBATIONS.items():
        usual = dataclasses.replace(config, **{name: getattr(preset, name)})
        if (usual.field(), usual.phases()) == (config.field(), config.phases()):
            unused[name] = why
    if config.criterion is None:
        unused["criterion_probes"] = "without --criterion"
    if weights is not None:
        parts = pretraining_arguments(weights)
        for name, stored in OF_PRETRAINING.items():
            if any(part.get(stored) != getattr(config, name) for part in parts):
                unused[name] = f"in the networks of {weights}: give --pretrained None, or leave it out"
    return unused


def _has_begun(config: Savings, weights: Path | None) -> bool:
    """Whether the run folder holds this very run, complete or not."""
    try:
        return holds_run(config.out, identity(config, weights))
    except FileExistsError:
        return False
