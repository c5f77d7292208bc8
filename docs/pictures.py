"""Draw what perturbations do to reaches, for their page: `python docs/pictures.py`.

A pre-trained network that has met no perturbation reaches in each of them; nothing is learned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from matplotlib.axes import Axes

from agents.supervised.checkpoints import load_ensemble
from agents.supervised.policy import NetworkPolicy
from experiments.drawing import style as look
from experiments.savings.config import FOR_ENVIRONMENTS
from savings_gym import (
    AssistiveField,
    ChannelField,
    ConstantField,
    CurlField,
    ErrorAugmentation,
    Field,
    MirrorReversal,
    NullField,
    PositionField,
    Probe,
    Pulse,
    ReachEnv,
    ViscousField,
    VisualClamp,
    VisualGain,
    VisualShift,
    VisuomotorRotation,
)
from savings_gym.probes.probe import ProbeResult

FILE: Final = Path(__file__).resolve().parent / "perturbations.png"
LIMIT: Final = 0.16  # m from the start, of every panel
COLUMNS: Final = 5
PICTURES: Final[dict[str, Field]] = {
    "NullField()": NullField(),
    "CurlField(8)": CurlField(8.0),
    "PositionField(80)": PositionField(80.0),
    "ViscousField, resisting": ViscousField(((-15.0, 0.0), (0.0, -15.0))),
    "ConstantField((3, 0))": ConstantField((3.0, 0.0), onset="go"),
    "AssistiveField(60)": AssistiveField(60.0, onset="go"),
    "ErrorAugmentation(60)": ErrorAugmentation(60.0),
    "CurlField + ChannelField": CurlField(8.0) + ChannelField(),
    "Pulse of a CurlField": Pulse(CurlField(16.0), at=0.15, duration=0.1, onset="go"),
    "VisuomotorRotation(30)": VisuomotorRotation(30.0),
    "VisualGain(1.4)": VisualGain(1.4),
    "MirrorReversal()": MirrorReversal(),
    "VisualShift((0.03, 0))": VisualShift((0.03, 0.0)),
    "VisualClamp(30)": VisualClamp(30.0),
    "rotation + curl": VisuomotorRotation(30.0) + CurlField(8.0),
}


def main() -> None:
    """Probe the network in every perturbation, and draw hands and cursors."""
    probe = Probe(ReachEnv(noise=False).settings)
    policy = NetworkPolicy(load_ensemble(FOR_ENVIRONMENTS))
    with look.house_style():
        figure = look.new_figure(4.6)
        panels = figure.subplots(len(PICTURES) // COLUMNS, COLUMNS)
        for axes, (title, field) in zip(panels.flat, PICTURES.items(), strict=True):
            draw(axes, probe(policy, field, number=0))
            axes.set_title(title, fontsize=look.SMALL)
        look.save_picture(figure, FILE)
    FILE.with_suffix(".svg").unlink()


def draw(axes: Axes, result: ProbeResult) -> None:
    """Draw the 8 movements of the hand, and of the cursor where it is elsewhere."""
    for start, target, hand, cursor in zip(
        result.start, result.target, result.path, result.cursor, strict=True
    ):
        axes.plot(*(target - start), "o", color=look.QUIET, markersize=5.0, markerfacecolor="none", zorder=1)
        if (hand != cursor).any():
            axes.plot(*(cursor - start).T, color=look.PHASE_COLOUR["FF2"], linewidth=1.0, zorder=2)
        axes.plot(*(hand - start).T, color=look.PHASE_COLOUR["FF1"], linewidth=1.0, zorder=3)
    axes.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), aspect="equal", xticks=[], yticks=[])
    for side in axes.spines.values():
        side.set_visible(False)


if __name__ == "__main__":
    main()
