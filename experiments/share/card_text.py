"""The text of a model card: what machines read of it, and what people read."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any, Final

from agents.supervised.checkpoints import UNKNOWN, delays_of, pretraining_of, read_metadata
from experiments.runs.command_line import command_text
from experiments.runs.folder import versions
from experiments.runs.tables import format_value, markdown_table
from experiments.savings.pretrain import PRESETS, Pretraining
from experiments.share.loading import PRETRAINED
from experiments.share.measures import BEYOND_SHAM, FIELDS, SEED, TRIALS, Metric, task_arguments
from experiments.share.provenance import LICENCE, STUDY
from savings_gym.files import file_digest
from savings_gym.task.settings import Delays, Noise

TEMPLATE: Final = Path(__file__).with_name("card.md")
PICTURE: Final = "reaches.png"  # beside the card
DIGITS: Final = 4  # significant ones of the numbers for machines
USUAL_DELAYS: Final = "Delays are those of the environments."
OTHER_DELAYS: Final = "Delays are not those of the environments: give them as above."
OLDER_ARM: Final = (
    "The networks were made on an earlier version of the arm, with another path of triceps long, so that the "
    "command makes such networks, but not exactly these."
)


def check_hub() -> None:
    """Raise an ImportError that says how to install huggingface_hub if it is missing."""
    try:
        import huggingface_hub  # noqa: F401
    except ImportError as error:
        raise ImportError(f"cards need huggingface_hub: pip install 'savings_gym[hub]' ({error})") from error


def front_matter(path: Path, metrics: list[Metric]) -> str:
    """Return what machines read of a card, as YAML.

    Args:
        path: Weights file.
        metrics: All numbers of the card.
    """
    from huggingface_hub import ModelCardData

    metadata = read_metadata(path)
    data = ModelCardData(
        model_name=path.stem,
        library_name="savings_gym",
        license=LICENCE,
        pipeline_tag="reinforcement-learning",
        tags=["motor-learning", "force-field", "gymnasium", "mujoco", "safetensors", *FIELDS],
        eval_results=[_evaluation(metric, path) for metric in metrics],
        cell=metadata["cell"],
        networks=metadata["networks"],
        units=metadata["units"],
        sha256=file_digest(path),
        versions=_versions(),
    )
    return str(data.to_yaml())


def _versions() -> dict[str, str]:
    """Versions that the numbers depend on; the card is committed later than any commit that it could name."""
    return {name: version for name, version in versions().items() if name != "commit"}


def _evaluation(metric: Metric, path: Path) -> Any:
    """A metric as an entry of the model index."""
    from huggingface_hub import EvalResult

    interval = [None if end is None else _rounded(end) for end in metric.interval]
    return EvalResult(
        task_type="reinforcement-learning",
        task_name="reaching",
        dataset_type=metric.environment,
        dataset_name=metric.environment,
        dataset_args=task_arguments(path) or None,
        metric_type=metric.key,
        metric_name=metric.name if metric.unit == "1" else f"{metric.name} [{metric.unit}]",
        metric_value=_rounded(metric.value),
        metric_args={"interval_95": interval, "n": metric.n, "over": "networks", "runs": list(metric.runs)},
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def body(path: Path, metrics: list[Metric], command: str) -> str:
    """Return what people read of a card, as Markdown.

    Args:
        path: Weights file.
        metrics: All numbers of the card.
        command: Command line that makes the card.
    """
    metadata, arguments, delays = read_metadata(path), task_arguments(path), delays_of(path)
    usual = delays == Delays()
    return Template(TEMPLATE.read_text()).substitute(
        name=path.stem,
        networks=metadata["networks"],
        units=metadata["units"],
        cell=metadata["cell"].upper(),
        actuators="six ideal motors in place of muscles" if "actuation" in arguments else "six muscles",
        study=STUDY,
        picture=PICTURE,
        load_name=path.stem if path.resolve().parent == PRETRAINED else path.name,
        environment=", ".join(["1", *(f"{name}={json.dumps(value)}" for name, value in arguments.items())]),
        measures=metrics_table(metrics),
        trials=TRIALS,
        sources=_sources(metrics),
        making=_making(path),
        command=command,
        seed=SEED,
        versions=", ".join(f"{name} {version}" for name, version in _versions().items()),
        sha256=file_digest(path),
        delays=USUAL_DELAYS if usual else OTHER_DELAYS,
    )


def metrics_table(metrics: list[Metric]) -> str:
    """Return the numbers of a card as a table."""
    headings = ("environment", "measure", "value [95 % interval]", "n", "measured in")
    rows = [
        (
            metric.environment, metric.name, format_value(metric.value, metric.interval, metric.unit),
            str(metric.n), "run" if metric.runs else "this file",
        )
        for metric in metrics
    ]  # fmt: skip
    return markdown_table(headings, rows)


def _sources(metrics: list[Metric]) -> str:
    runs = dict.fromkeys(run for metric in metrics for run in metric.runs)
    if not runs:
        return "No run from these weights is on record, so there is no measure of savings."
    text = "Runs: " + "; ".join(f"`{run}`" for run in runs) + "."
    if any(metric.key.endswith(BEYOND_SHAM) for metric in metrics):
        return f"{text} The sham is the same run without a field in FF1: practice alone."
    return f"{text} There is no sham of this run, so these savings may be practice in part."


def _making(path: Path) -> str:
    """How the networks were pre-trained, and by what commands."""
    metadata, ways = read_metadata(path), dict.fromkeys(pretraining_of(path))
    text = f"{'; '.join(ways)}."
    parts = [part.get("pretraining") for part in metadata.get("joined", [metadata])]
    if ways.keys() & {UNKNOWN} or None in parts:
        return text
    if any(_is_older(stored) for stored in parts):
        text = f"{text} {OLDER_ARM}"
    return f"{text}\n\n```bash\n{making_commands(parts, path)}\n```"


def making_commands(parts: list[dict[str, Any]], path: Path) -> str:
    """Return the command that makes a weights file, or those that make its parts and join them.

    Args:
        parts: Arguments of the pre-training of every part, as a weights file stores them.
        path: The weights file.
    """
    if len(parts) == 1:
        return pretraining_command(parts[0], path.name)
    names = [f"{path.stem}-{i}{path.suffix}" for i in range(len(parts))]
    made = [pretraining_command(stored, name) for stored, name in zip(parts, names, strict=True)]
    joined = shlex.join(["python", "-m", "experiments.join_networks", *names, "--out", path.name])
    return "\n".join([*made, joined])


def _is_older(stored: dict[str, Any]) -> bool:
    """Whether networks are older than today's arm and initial weights; their files lack later arguments."""
    return "training_go" not in stored


def pretraining_command(stored: dict[str, Any], name: str) -> str:
    """Return the command that pre-trains such networks, of what a weights file stores.

    Args:
        stored: Arguments; those that older files lack had the values that are filled in here.
        name: Of the file.
    """
    usual = replace(PRESETS["environment"], out=Path())
    older = "gates" if _is_older(stored) else "stack"
    values = {"initial_weights": older, **stored}
    config = Pretraining(
        **{key: values[key] for key in ("networks", "units", "cell", "updates", "trials", "seed")},
        out=Path(name),
        anneal=values.get("anneal", 0),
        actuation=values.get("actuation", "muscle"),
        initial_weights=values["initial_weights"],
        noise=Noise(**values.get("noise", {})),
        delays=Delays(**values.get("delays", {})),
        training_go=tuple(values.get("training_go", usual.training_go)),
    )
    return command_text("experiments.pretrain", config, usual)
