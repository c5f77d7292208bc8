"""Adaptation in activity: a policy goes through sessions with its weights fixed and its memory carried along.

    table = run_sessions(policy, env.settings, savings_session(pairs=[FieldPair(CurlField(8.0))]))
    print(savings(table).initial)

Trials are those of probes: go comes at 0.44 s, none is a catch trial, and the policy does not explore. Eight
arms go through each session side by side, in the same fields. In every trial each target comes once, so that
every trial is a probe, and each arm reaches to all targets in eight trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from savings_gym.arrays import Columns, Floats, as_whole_number, joined, short
from savings_gym.metrics.curves import ProbeTable, phase_curves
from savings_gym.metrics.kinematics import KINEMATIC_COLUMNS
from savings_gym.metrics.savings import FIELD_PHASES, field_side
from savings_gym.metrics.statistics import Estimate, Sampling, estimate
from savings_gym.probes.environments import ProbeEnvironments, VectorEnvironment
from savings_gym.probes.policy import Policy, PolicyMemory, View
from savings_gym.probes.probe import ProbeResult, run_trial
from savings_gym.task.session import BLOCK_FIELDS, Session, as_session
from savings_gym.task.settings import N_TARGETS, TaskSettings

DRAW, TARGETS, NOISE = range(3)  # streams of random numbers


def run_sessions(
    policy: Policy | Callable[[Any], Any],
    settings: TaskSettings,
    session: Session | Mapping[str, Any] | str,
    sessions: int = 1,
    seed: int = 0,
    *,
    network: int = 0,
    view: View | None = None,
    on_trial: Callable[[ProbeResult], object] | None = None,
) -> Columns:
    """Return the probe table of a policy in sessions.

    Memory is reset before each session only. Equal seeds give sessions with equal targets and noise, and
    equal pairs and lengths if the sessions differ by the fields of their blocks alone; so a session and its
    `Session.sham` are paired trial by trial.

    Args:
        policy: Anything with the `predict` of stable-baselines3, or a function from observations (8, n) to
            actions (8, m), see `probe.Probe`.
        settings: The task, ``env.settings`` of any environment; its targets, go times and catch trials are
            replaced by those of a probe, and the fields are those of the session.
        session: A session, its dict or its name.
        sessions: Number of sessions, drawn one after the other.
        seed: Of fields, lengths, targets and noise.
        network: Number of the policy, for a table of several.
        view: Turns observations (8, n), and whether they begin a trial, into what the policy sees, as
            `sb3.training_env.AgentView` does for wrapped agents of stable-baselines3.
        on_trial: Called with the eight reaches of every trial, one trial after the other, in the order of the
            rows of the table. Their activity is recorded, so that the policy needs a memory.

    Returns:
        One row per session, trial and target: a probe table, see `metrics.curves`, with the name of the block
        as "phase", and the number of the trial in it as both "update" and "trial". Further columns are
        "session", "session_trial" (number in the session), "field" ("none", "A", "B" or "own"), "pair" (index
        in `Session.pairs`), "arm" (0 to 7) and all measures of `metrics.kinematics.KINEMATIC_COLUMNS`.
        `savings` takes one session per network; for sessions of one policy, put "session" into "network".

    Raises:
        TypeError: If the policy has no `predict` and is not a function.
        ValueError: If an argument is bad.
    """
    checked = as_session(session)
    sessions = as_whole_number("sessions", sessions, 1)
    seed, network = as_whole_number("seed", seed), as_whole_number("network", network)
    if not isinstance(settings, TaskSettings):
        raise ValueError(
            "settings must be those of an environment: env.settings, or env.unwrapped.settings of one that "
            f"gym.make returned; got {short(settings)}"
        )
    PolicyMemory(policy, view)  # refuses what is not a policy
    rows: list[Columns] = []
    with closing(VectorEnvironment(settings)) as environments:
        for number in range(sessions):
            index = {"network": network, "session": number}
            memory = PolicyMemory(policy, view)
            rows += _session(environments, memory, checked, (seed, number), index, on_trial)
    return joined(rows)


def savings_beyond_sham(
    table: ProbeTable, sham: ProbeTable, trials: int = 1, seed: int = 0, column: str = "lateral_deviation"
) -> Estimate:
    """Return how much nearer to the line the networks start FF2 for having met the field in FF1.

    The difference, per network, between FF2 of the sham session, in which the field is met for the first
    time, and FF2 of the session. What practice and time alone bring is in both.

    Args:
        table: Probe table of sessions whose field pushes to the same side in all networks.
        sham: That of the same sessions without a field in FF1, ``session.sham("FF1")``, with the same seed.
        trials: First trials of FF2 whose mean is compared.
        seed: Of the sign-flip test.
        column: The measure.

    Returns:
        Of sham less session, on the side to which the field pushes [m]; positive = savings.

    Raises:
        ValueError: If a table is malformed or lacks FF2, or the networks or trials differ.
    """
    trials, again = as_whole_number("trials", trials, 1), FIELD_PHASES[1]
    starts: list[Floats] = []
    networks = []
    for name, each in (("table", table), ("sham", sham)):
        curves = phase_curves(each, column)
        if again not in curves:
            raise ValueError(f"{name} has no phase {again}, its phases are {list(curves)}")
        curve = curves[again]
        if curve.deviation.shape[1] < trials:
            raise ValueError(f"trials is {trials}, but {again} has {curve.deviation.shape[1]} trials")
        starts.append(curve.deviation[:, :trials].mean(axis=1))
        networks.append(curve.networks.tolist())
    if networks[0] != networks[1]:
        raise ValueError(f"table has the networks {networks[0]}, but sham {networks[1]}")
    return estimate(field_side(starts[1]) * (starts[1] - starts[0]), Sampling(seed))


def _session(
    environments: ProbeEnvironments,
    memory: PolicyMemory,
    session: Session,
    key: tuple[int, int],
    index: Mapping[str, int],
    on_trial: Callable[[ProbeResult], object] | None,
) -> list[Columns]:
    """Go through one session; return the rows of every trial."""
    pair, schedule = session.draw(_generator(*key, DRAW))
    rng, first = _generator(*key, TARGETS), np.arange(N_TARGETS)
    rows = []
    for trial in range(schedule.trials):
        if trial % N_TARGETS == 0:
            order = rng.permutation(N_TARGETS)
        targets = (order[trial % N_TARGETS] + first) % N_TARGETS
        phase = schedule.phase_index(trial)
        seeds = np.random.SeedSequence((*key, NOISE, trial)).generate_state(N_TARGETS).tolist()
        field, record = schedule.field_at(trial), on_trial is not None
        result = run_trial(environments, memory, field, seeds, targets, record)
        if on_trial is not None:
            on_trial(result)
        in_block = trial - schedule.boundaries[phase]
        numbers = {**index, "update": in_block, "trial": in_block, "session_trial": trial, "pair": pair}
        names = {
            "phase": schedule.names[phase],
            "field": BLOCK_FIELDS[session.blocks[phase].field_index],
        }
        rows.append(
            {name: np.full(N_TARGETS, number, dtype=np.int32) for name, number in numbers.items()}
            | {name: np.full(N_TARGETS, value, dtype=object) for name, value in names.items()}
            | {"arm": first.astype(np.int32), "target": targets.astype(np.int32)}
            | {name: result.columns[name].astype(np.float32) for name in KINEMATIC_COLUMNS}
        )
    return rows


def _generator(*key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(key))
