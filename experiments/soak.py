"""Whether environments last: millions of random steps, finite, level in memory, alike on any thread count.

    python -m experiments.soak --steps 10000000 --out runs/soak

Steps vector environments with random actions: muscles in seven force fields (all kinds in
`savings_gym.perturbations.fields`), then random reaches, torques and motors, a tenth of the steps each. Every
state, observation, reward and info must be finite, and every observation inside its space. For a tenth of
the steps, a second environment takes the same actions on two threads: it must go through the same states,
bit for bit. Writes soak.json; the exit status is 1 if anything was not so, or if memory grew. An
interrupted soak keeps nothing.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import stats

from experiments.runs.command_line import StopFlag, command_main
from experiments.runs.folder import versions
from savings_gym import (
    ChannelField,
    ConstantField,
    CurlField,
    ElasticField,
    NullField,
    ReachVectorEnv,
    ViscousField,
)
from savings_gym.arrays import Floats, as_seed, as_whole_number
from savings_gym.files import check_writable, write_json

log = logging.getLogger(__name__)
RESULT: Final = "soak.json"
THREADS: Final = (1, 2)  # of the environment, and of the second one
COMPARED: Final = 10  # the second one takes a tenth of the steps
CURL: Final = CurlField(8.0, onset="start")
PUSH: Final = ConstantField((3.0, -2.0), onset="start")
SPRING: Final = ElasticField(100.0, onset="start")
CONDITIONS: Final[dict[str, dict[str, Any]]] = {  # arguments of the environments
    "null": {"field": NullField()},
    "curl": {"field": CURL},
    "viscous": {"field": ViscousField(((-10.0, 2.0), (1.0, -8.0)), onset="start")},
    "elastic": {"field": SPRING},
    "constant": {"field": PUSH},
    "channel": {"field": ChannelField(onset="start")},
    "sum": {"field": CURL + SPRING + PUSH},
    "random reaches": {"field": CURL, "targets": "random"},
    "torque": {"field": CURL, "actuation": "torque"},
    "motor": {"field": CURL, "actuation": "motor"},
}
SAMPLES: Final = 20  # of resident memory in a condition
LARGEST_GROWTH: Final = 8.0  # MiB of growth from start to end that count as level
MIB: Final = 2.0**20
MILLION: Final = 1e6


@dataclass(frozen=True)
class Soak:
    """Arguments of the soak."""

    steps: int = 10_000_000
    """Control steps of one arm, in all conditions together."""
    envs: int = 500
    """Arms in a vector environment."""
    out: Path = Path("runs/soak")
    """Folder of soak.json."""
    seed: int = 0
    """Seed of trials and actions."""

    def __post_init__(self) -> None:
        """Check every value before any work starts."""
        as_whole_number("envs", self.envs, 1)
        as_whole_number("steps", self.steps, len(CONDITIONS) * self.envs)
        as_seed("seed", self.seed)

    @property
    def rounds(self) -> int:
        """Steps of the vector environment of a condition."""
        return math.ceil(self.steps / (len(CONDITIONS) * self.envs))


class Watch:
    """What is seen of one vector environment while it steps.

    Attributes:
        largest: Largest magnitudes of joint angles [rad], joint velocities [rad/s] and activations.
        not_finite: Number of states, observations, rewards and infos with a value that is not finite.
        outside: Number of observations with a value outside their space.
    """

    def __init__(self, env: ReachVectorEnv) -> None:
        """Watch an environment that has been reset."""
        self.env = env
        self.largest = {"joint_angle": 0.0, "joint_velocity": 0.0, "activation": 0.0}
        self.not_finite = self.outside = 0
        self._digest = hashlib.sha256()

    def step(self, actions: Floats) -> None:
        """Advance the environment and look at everything that it says."""
        observation, reward, _, _, info = self.env.step(actions)
        task, space = self.env.task, self.env.observation_space
        states = dict(zip(self.largest, (task.qpos, task.qvel, task.act), strict=True))
        for name, state in states.items():
            self._digest.update(np.ascontiguousarray(state).tobytes())
            self.largest[name] = max(self.largest[name], float(np.abs(state).max(initial=0.0)))
        values = [*states.values(), observation, reward, *info.values()]
        finite = np.ones(self.env.num_envs, dtype=bool)
        for value in values:
            finite &= np.isfinite(np.asarray(value, dtype=np.float64)).reshape(len(finite), -1).all(1)
        self.not_finite += int((~finite).sum())
        within = (observation >= space.low) & (observation <= space.high)  # type: ignore[attr-defined]
        self.outside += int((~within.all(1)).sum())

    @property
    def digest(self) -> str:
        """The SHA-256 of all states so far."""
        return self._digest.hexdigest()


def resident_memory() -> int:
    """Return the resident memory of this process [bytes].

    Raises:
        OSError: Where there is no /proc, as on other systems than Linux.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def soak_condition(
    config: Soak, number: int, stopped: Callable[[], bool]
) -> tuple[dict[str, Any], list[tuple[int, int]]] | None:
    """Step the environments of one condition.

    Args:
        config: The arguments.
        number: Which of the `CONDITIONS`.
        stopped: Called before every step; True ends the soak.

    Returns:
        What was seen, and samples of steps so far and resident memory [bytes]; None if stopped.
    """
    arguments = list(CONDITIONS.values())[number]
    envs = [ReachVectorEnv(config.envs, nthread=threads, **arguments) for threads in THREADS]
    for env in envs:
        env.reset(seed=config.seed + number)
    (watch, second), rng = (Watch(env) for env in envs), np.random.default_rng((config.seed, number))
    low, high = envs[0].action_space.low, envs[0].action_space.high  # type: ignore[attr-defined]
    every, compared = max(config.rounds // SAMPLES, 1), math.ceil(config.rounds / COMPARED)
    digests: dict[str, str] = {}
    samples: list[tuple[int, int]] = []
    for i in range(config.rounds):
        if stopped():
            return None
        actions = rng.uniform(low, high)
        watch.step(actions)
        if i < compared:
            second.step(actions)
            digests = {str(n): each.digest for n, each in zip(THREADS, (watch, second), strict=True)}
        if (i + 1) % every == 0:
            samples.append(((i + 1) * config.envs, resident_memory()))
    for env in envs:
        env.close()
    seen = {
        "steps": config.rounds * config.envs,
        "largest": watch.largest,
        "not_finite": watch.not_finite + second.not_finite,
        "outside": watch.outside + second.outside,
        "digest": watch.digest,
        "compared_steps": compared * config.envs,
        "digest_by_threads": digests,
    }
    return seen, samples


def memory_growth(samples: list[tuple[int, int]]) -> dict[str, Any]:
    """Return the slope of resident memory by least squares, with its 95 % interval.

    Args:
        samples: Steps so far and resident memory [bytes].

    Returns:
        "slope" and "interval", MiB per million steps. Neighbouring samples resemble each other, so that the
        interval is rather too narrow.
    """
    steps, memory = np.array(samples, dtype=np.float64).T
    x, y = steps / MILLION - steps.mean() / MILLION, (memory - memory.mean()) / MIB
    slope = float(x @ y / (x @ x))
    error = math.sqrt(float(((y - slope * x) ** 2).sum() / (x @ x) / (len(x) - 2)))
    half = float(stats.t.ppf(0.975, len(x) - 2)) * error
    return {"slope": slope, "interval": [slope - half, slope + half]}


def run(config: Soak) -> int:
    """Soak all conditions and write soak.json.

    Returns:
        0; 1 if something was not as it should be; if interrupted, 130 after Ctrl-C and 143 after SIGTERM.
    """
    result = config.out / RESULT
    check_writable(result)
    began, before = time.monotonic(), 0
    samples: list[tuple[int, int]] = []
    found: dict[str, dict[str, Any]] = {}
    with StopFlag() as stop:
        warm_up(config)
        for number, name in enumerate(CONDITIONS):
            gc.collect()
            ended = soak_condition(config, number, stop)
            if ended is None:
                log.warning(
                    "interrupted after %d of %d conditions, in %s: nothing was written; the same command "
                    "starts over", number, len(CONDITIONS), name,
                )  # fmt: skip
                return stop.status
            seen, later = ended
            samples += [(before + steps, memory) for steps, memory in later]
            found[name], before = seen, before + seen["steps"]
            log.info("%s: %d steps, largest %s, %.0f s", name, seen["steps"], seen["largest"],
                     time.monotonic() - began)  # fmt: skip
    growth = memory_growth(samples)
    faults = find_faults(found, growth["interval"][0] * before / MILLION)
    content = {
        "steps": before, "seed": config.seed, "envs": config.envs, "threads": THREADS, "conditions": found,
        "memory": growth | {
            "unit": "MiB per million steps", "level_up_to_MiB": LARGEST_GROWTH,
            "samples": [{"steps": steps, "MiB": round(memory / MIB, 2)} for steps, memory in samples],
        },
        "faults": faults, "seconds": round(time.monotonic() - began, 1), "versions": versions(),
    }  # fmt: skip
    write_json(result, content)
    for fault in faults:
        log.error("%s", fault)
    log.info("%d steps, %d faults; memory %+.2f MiB per million steps; wrote %s", before, len(faults),
             growth["slope"], result)  # fmt: skip
    return 1 if faults else 0


def warm_up(config: Soak) -> None:
    """Take a few steps in every condition, so that libraries allocate what they keep."""
    for arguments in CONDITIONS.values():
        env = ReachVectorEnv(config.envs, nthread=max(THREADS), **arguments)
        env.reset(seed=config.seed)
        watch = Watch(env)
        for _ in range(3):
            watch.step(np.zeros(env.action_space.shape))  # type: ignore[arg-type]
        env.close()


def find_faults(found: dict[str, dict[str, Any]], growth: float) -> list[str]:
    """Return what was not as it should be, in words.

    Args:
        found: What was seen, by condition.
        growth: Lower end of the interval of the growth of memory [MiB].
    """
    faults = []
    for name, seen in found.items():
        for count in ("not_finite", "outside"):
            if seen[count]:
                faults.append(f"{name}: {seen[count]} steps with values {count.replace('_', ' ')}")
        if len(set(seen["digest_by_threads"].values())) > 1:
            faults.append(f"{name}: states depend on the number of threads")
    if growth > LARGEST_GROWTH:
        faults.append(f"memory grew by at least {growth:.1f} MiB")
    return faults


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    return command_main("experiments.soak", Soak, run, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
