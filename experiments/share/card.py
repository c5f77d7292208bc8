"""Model cards of weights files, in the format of the Hugging Face hub.

    python -m experiments.share.card experiments/pretrained/*.safetensors
    python -m experiments.share.card MINE.safetensors --run RUN --sham SHAM --weights --out runs/hub

A card is OUT/NAME/README.md with its picture. All its numbers are measured in the file, or come from runs
that started from it: the named ones, or, for files that ship, those of the repository's figures or of its
benchmark. With ``--weights`` the folder holds the file and a manifest, too, for
``hf upload OWNER/NAME OUT/NAME``.
huggingface_hub comes with ``pip install 'savings_gym[hub]'``.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import tyro

from agents.supervised.checkpoints import read_metadata
from experiments.runs.command_line import command_main, command_text
from experiments.savings.config import ROOT
from experiments.share.card_text import PICTURE, body, check_hub, front_matter
from experiments.share.loading import PRETRAINED, load_agent
from experiments.share.measures import (
    FIELDS,
    Reaches,
    probe_networks,
    reach_metrics,
    row_metrics,
    run_metrics,
    shown_metrics,
)
from savings_gym.files import MANIFEST, Manifest, file_digest, run_name, write_atomically

log = logging.getLogger(__name__)
CARD: Final = "README.md"
PICTURE_SIZE, PICTURE_DPI = (4.2, 2.2), 150  # in, dots per in
TITLES: Final = {"NullFieldReach-v0": "no field", "ForceFieldReach-v0": "curl field, met for the first time"}


@dataclass(frozen=True)
class Card:
    """Arguments of the command."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """Weights files."""
    out: Path = PRETRAINED / "cards"
    """Folder of the cards; each has a folder with the name of its file."""
    run: Path | None = None
    """Folder of a finished run of experiments.savings that started from the file."""
    sham: Path | None = None
    """Folder of the same run without a field in FF1 (--change.ff1-b 0)."""
    weights: bool = False
    """Copy the weights, and write a manifest."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        if not self.files:
            raise ValueError("name one or more weights files")
        for path in self.files:
            read_metadata(path)
        names = [path.stem for path in self.files]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"every card has the name of its file, and two have {twice[0]!r}: rename one")
        if self.run is not None and len(self.files) > 1:
            raise ValueError(f"a run starts from one weights file, got {len(self.files)}: name one")
        if self.sham is not None and self.run is None:
            raise ValueError(f"the sham {self.sham} needs --run, which it is compared with")


def run(config: Card) -> int:
    """Write the cards; return the exit status."""
    check_hub()
    for path in config.files:
        folder = config.out / path.stem
        contents = card_files(path, config)
        if config.weights and not (folder / MANIFEST).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            Manifest.begin(folder, run_name({"sha256": file_digest(path)}))
        for name, content in contents.items():
            write_atomically(folder / name, content)
        if config.weights:
            load_agent(folder)  # it is what others get
        log.info("wrote %s", folder / CARD)
    return 0


def card_files(path: Path, config: Card) -> dict[str, bytes]:
    """Return the files of a card by name: card, picture, and weights if they are wanted.

    Raises:
        FileNotFoundError, ValueError: If a file or run cannot be read, or a run started from other weights.
    """
    if config.run is not None:
        saved = run_metrics(path, config.run, config.sham)
    else:
        saved = shown_metrics(path) or row_metrics(path)
    reaches = probe_networks(path)
    metrics = reach_metrics(path, reaches) + saved
    text = f"---\n{front_matter(path, metrics)}\n---\n\n{body(path, metrics, command(path, config))}"
    weights = {path.name: path.read_bytes()} if config.weights else {}
    return {CARD: text.encode(), PICTURE: picture(reaches), **weights}


def command(path: Path, config: Card) -> str:
    """Return the command line that makes a card."""
    file = path.resolve()
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else Path(path.name)
    runs = Card((path,), run=config.run, sham=config.sham)
    return command_text("experiments.share.card", runs, Card((path,)), shown.as_posix())


def picture(reaches: dict[str, Reaches]) -> bytes:
    """Return hand paths without and in the field, as PNG."""
    from experiments.drawing import style as look
    from experiments.drawing.hand_paths import draw_reaches, half_width, scale_bar, square_window

    with look.house_style():
        figure = look.new_figure(PICTURE_SIZE[1], margin=0.03)
        figure.set_size_inches(*PICTURE_SIZE)
        panels = figure.subplots(1, len(reaches), squeeze=False)[0]
        start = np.mean([of.path[:, :, 0].mean((0, 1)) for of in reaches.values()], axis=0)
        reach = half_width(np.concatenate([of.path.reshape(-1, 2) for of in reaches.values()]) - start)
        for axes, (env_id, of) in zip(panels, reaches.items(), strict=True):
            in_field = not FIELDS[env_id].is_null
            colour = look.PHASE_COLOUR["FF1" if in_field else "NF1"]
            square_window(axes, start, reach)
            draw_reaches(axes, of.path, of.target, colour, in_field)
            axes.set_title(TITLES[env_id])
        scale_bar(panels[0], start, reach)
        return look.png(figure, PICTURE_DPI)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.share.card", Card, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
