"""One agent through the phases, with the perturbed decoder and, from the end of NF1 on, as its own sham.

NF1 has the intuitive decoder (population vectors), FF1 and FF2 one that turns the cursor, NF2, the washout,
the intuitive one again. At the end of NF1 the agent is copied: agent and sham have the same weights, trials
and noise, and differ in the decoder of FF1 alone, which stays intuitive for the sham. From then on the noise
on actions is fixed, so that FF1 and FF2 are explored alike.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from agents.ppo.plain_ppo import PlainPPO
from experiments.bci.measures import ERROR
from experiments.bci.phases import MOVEMENT
from experiments.bci.ppo.config import BciPpo
from experiments.runs.command_line import Stopped
from savings_gym import BCIReachVectorEnv, CursorProbe, DecoderPhase, Schedule
from savings_gym.activity.memory_trace import VelocityReadout, progress
from savings_gym.arrays import MM, Columns, Floats, joined
from savings_gym.bci.decoder import Decoder, readout_of
from savings_gym.bci.settings import cursor_settings
from savings_gym.bci.trials import START
from savings_gym.files import read_table, verified, write_table
from savings_gym.metrics.curves import probe_rows
from savings_gym.probes.cursor import CursorProbeResult
from savings_gym.task.schedule import PHASES
from savings_gym.task.settings import CONTROL_STEP, N_TARGETS, PROBE_GO, whole_steps

log = logging.getLogger(__name__)
PERTURBED, SHAM = CONDITIONS = ("perturbed", "sham")
PROGRESS: Final = "perturbed_progress"  # velocity towards the target through the perturbed decoder [m/s]
LEARN, PROBE = range(2)  # keys of the seeds


def agent_file(out: Path, agent: int) -> Path:
    """Return the file of the probes of an agent and its sham."""
    return out / f"agent_{agent}.parquet"


def agent_probes(config: BciPpo, agent: int, stopped: Callable[[], bool] = lambda: False) -> pd.DataFrame:
    """Return the probes of an agent and its sham, which go through all phases unless their file is there.

    Rows have the columns of a probe table, "condition", and `PROGRESS`.

    Raises:
        Stopped: If asked to stop; the agent begins anew the next time.
    """
    file = agent_file(config.out, agent)
    if verified(file).is_file():
        return read_table(file)
    rows = list(Course(config, agent, stopped).rows())
    table = pd.DataFrame(joined(rows))
    write_table(file, table)
    return table


class Course:
    """The phases of one agent.

    Args:
        config: The arguments.
        agent: Its number.
        stopped: Called before every learning; True raises `Stopped`.
    """

    def __init__(self, config: BciPpo, agent: int, stopped: Callable[[], bool]) -> None:
        self.config, self.agent, self._stopped = config, agent, stopped
        self.intuitive = cursor_settings(units=config.units).decoder
        self.perturbed = self.intuitive.rotated(config.angle)
        self._readout = readout_of([self.perturbed])

    def rows(self) -> Iterator[Columns]:
        """Go through everything; yield the rows of every probe.

        Raises:
            Stopped: If asked to stop.
        """
        config = self.config
        env = BCIReachVectorEnv(
            config.cursors, schedule=self._schedule(PHASES[:1], PERTURBED), shared_trials=True,
            autoreset_mode="SameStep",
        )  # fmt: skip
        learner = PlainPPO(env, config.ppo, self._seed(LEARN))
        probe = CursorProbe(env.settings, self._seed(PROBE))
        for row in self._phase(learner, probe, "NF1", PERTURBED):
            yield row
            yield row | {"condition": np.full_like(row["condition"], SHAM)}
        learner.log_deviation.requires_grad_(False)
        for condition in CONDITIONS:
            its, its_probe = deepcopy((learner, probe))
            its.env.set_schedule(self._schedule(PHASES[1:], condition))  # type: ignore[attr-defined]
            for phase in PHASES[1:]:
                yield from self._phase(its, its_probe, phase, condition)

    def _seed(self, key: int) -> int:
        state = np.random.SeedSequence((self.config.seed, self.agent, key)).generate_state(1)
        return int(state[0])

    def decoder(self, phase: str, condition: str) -> Decoder:
        """Return the decoder of a phase."""
        turned = phase == "FF2" or (phase == "FF1" and condition == PERTURBED)
        return self.perturbed if turned else self.intuitive

    def _schedule(self, phases: tuple[str, ...], condition: str) -> Schedule:
        return Schedule(
            tuple(
                DecoderPhase(name, self.decoder(name, condition), self.config.trials(name)) for name in phases
            )
        )

    def _phase(self, learner: PlainPPO, probe: CursorProbe, phase: str, condition: str) -> Iterator[Columns]:
        """Learn through a phase, with a probe before the first trial, every few, and after the last."""
        trials, done = self.config.trials(phase), 0
        while True:
            result = probe(learner, self.decoder(phase, condition))
            yield self._row(result, phase, condition, done)
            if done == trials:
                break
            if self._stopped():
                raise Stopped
            step = min(self.config.probe_every, trials - done)
            learner.learn(step)
            done += step
        error = MM * float(result.columns[ERROR].mean())
        log.info("agent %d, %s, %s: %.1f mm at the end", self.agent, condition, phase, error)

    def _row(self, result: CursorProbeResult, phase: str, condition: str, trial: int) -> Columns:
        """Return the rows of a probe."""
        measures = {**result.columns, PROGRESS: progress_through(self._readout, result)}
        return {"condition": np.full(N_TARGETS, condition, dtype=object)} | probe_rows(
            [self.agent], phase, trial // self.config.cursors, trial, measures
        )


def progress_through(readout: VelocityReadout, result: CursorProbeResult) -> Floats:
    """Return the mean progress of the activity of a probe through a read-out, on the way to each target.

    Args:
        readout: Of one decoder.
        result: The probe.

    Returns:
        (8,) [m/s], over `MOVEMENT` after the cue is seen.
    """
    seen = round(PROBE_GO / CONTROL_STEP) + whole_steps("cue delay", cursor_settings().delays.cue_delay)
    moving = result.activity[:, seen : seen + round(MOVEMENT / CONTROL_STEP)]
    towards = result.target - np.array(START)
    return progress(readout.velocity(moving[None])[0], towards[:, None]).mean(axis=-1)
