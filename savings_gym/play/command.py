"""The command line of ``python -m savings_gym.play``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import time
from pathlib import Path
from typing import Any

from gymnasium.error import DependencyNotInstalled

from savings_gym.arm.build import ACTUATIONS
from savings_gym.files import open_folder, sole_writer
from savings_gym.perturbations.fields import CurlField
from savings_gym.play.game import Game, Player
from savings_gym.play.record import check_folder, save, score
from savings_gym.play.scripted import ScriptedPlayer
from savings_gym.task.schedule import PHASES, four_phase

log = logging.getLogger(__name__)

DESCRIPTION = """\
Do you show savings? Move the hand of the arm to each target with the mouse, through four short phases without
(NF1, NF2) and with (FF1, FF2) a force field, and see your own learning curves. Escape ends the game.
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser("python -m savings_gym.play", description=DESCRIPTION)
    parser.add_argument(
        "--trials", type=int, nargs=4, default=[16, 40, 40, 40], metavar=PHASES,
        help="trials of each phase, whole rounds of all targets (default: 16 40 40 40, about 5 minutes)",
    )  # fmt: skip
    parser.add_argument("--targets", type=int, default=4, help="centre-out targets (default: 4)")
    parser.add_argument(
        "--b", type=float, default=8.0, help="strength of the curl field, N s/m; positive pushes right (8)"
    )
    parser.add_argument(
        "--actuation", choices=ACTUATIONS, default="muscle", help="what moves the arm (muscle)"
    )
    parser.add_argument(
        "--slow", type=float, default=1.5, help="seconds of yours per second of the arm (1.5)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order of targets (0)")
    parser.add_argument(
        "--out", type=Path, help="folder for probes.parquet and summary.json; none is written without it"
    )
    script = parser.add_argument_group("a scripted player instead of you")
    script.add_argument(
        "--offscreen", action="store_true", help="let a player of known learning play; no window"
    )
    script.add_argument("--rate", type=float, default=0.1, help="its learning rate in FF1, 1/trial (0.1)")
    script.add_argument("--rate-ratio", type=float, default=2.0, help="its rate in FF2 over that in FF1 (2)")
    script.add_argument("--retention", type=float, default=0.25, help="share it retains through NF2 (0.25)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = parser().parse_args(arguments)
    try:
        return play(options)
    except (ValueError, OSError, ImportError, RuntimeError, DependencyNotInstalled) as error:
        log.error("error: %s", error)
        return 2


def play(options: argparse.Namespace) -> int:
    """Play a game with the options of the command line, and report it; return the exit status."""
    schedule = four_phase(CurlField(options.b), *options.trials)
    game = Game(schedule, options.targets, options.actuation, options.seed)
    if options.out is not None:
        check_folder(options.out, stored_arguments(options))
    player: Player
    with contextlib.ExitStack() as stack:
        if options.offscreen:
            player = ScriptedPlayer(options.rate, options.rate_ratio, options.retention)
        else:
            from savings_gym.play.mouse import MousePlayer  # needs pygame

            player = stack.enter_context(MousePlayer(game, options.slow))
        if options.out is not None:
            stack.enter_context(sole_writer(options.out))
            open_folder(options.out, stored_arguments(options))
        return _play(game, player, options)


def stored_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that define a game, as its config.json has them."""
    names = ["trials", "targets", "b", "actuation", "seed", "offscreen"]
    names += ["rate", "rate_ratio", "retention"] if options.offscreen else ["slow"]
    return {name: getattr(options, name) for name in names}


def _play(game: Game, player: Player, options: argparse.Namespace) -> int:
    started = time.monotonic()

    def store(complete: bool) -> None:
        if options.out is not None:
            extra = {"seed": options.seed, "wall_time_s": round(time.monotonic() - started, 1)}
            save(options.out, game.table(), complete, **extra)

    complete = game.play(player, after_phase=lambda: store(False))
    try:
        result = score(game.table())
    except ValueError as error:
        log.info("%s", error)
        return 1
    store(complete)
    log.info("largest lateral deviation, mm, a number per round of %d trials", options.targets)
    for line in result.lines():
        log.info("%s", line)
    if options.out is not None:
        log.info("files in %s", options.out)
    player.show(result)
    return 0
