"""One agent learns to reach, and copies of it go on in sessions; each part is kept, and resumes.

Equal seeds give equal agents, whatever interrupted them: a state is taken between rollouts, with everything
random (`savings_gym.sb3.resume`).
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import safetensors.torch
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from agents.ppo.recurrent_ppo import RecurrentPPO
from experiments.benchmark.learners import make_model
from experiments.benchmark.noise import arguments
from experiments.runs.command_line import Stopped
from experiments.runs.folder import remove_state
from experiments.sessions.ppo.config import REGIMES, TRIALS, SessionsPpo
from experiments.sessions.protocol import UNTRAINED
from savings_gym.files import verified, write_atomically
from savings_gym.sb3.resume import random_state, restore_training, set_random_state, training_state
from savings_gym.sb3.vec_env import ReachVecEnv
from savings_gym.task.settings import TRIAL_STEPS

log = logging.getLogger(__name__)
SEEN = "observations"  # prefix of what `VecNormalize` knows of them
PARTS = ("mean", "var", "count")


def agent_file(out: Path, number: int, regime: str) -> Path:
    """Return the file of an agent after its training in a regime, or in single trials (`UNTRAINED`)."""
    return out / f"agent_{number}_{regime}.safetensors"


def train(config: SessionsPpo, number: int, stopped: Callable[[], bool] = lambda: False) -> None:
    """Train an agent in single trials, then copies of it in the sessions of every regime.

    Parts whose file is there are left out, and a part with a saved state goes on from it.

    Args:
        config: The arguments.
        number: Of the agent, which decides its random numbers.
        stopped: Called before every rollout; True saves the state and stops.

    Raises:
        Stopped: If asked to stop.
        FileNotFoundError, ValueError: If a file is missing, was changed or cannot be read.
    """
    for regime in (UNTRAINED, *config.regimes):
        file = agent_file(config.out, number, regime)
        if verified(file).is_file():
            continue
        state = config.out / f"state_{number}_{regime}.pkl"
        if regime == UNTRAINED:
            trials = config.reaching_trials
            model = _reaching_model(config, number)
        else:
            trials = config.session_trials
            model = session_model(config, number, regime)
            load_weights(model, agent_file(config.out, number, UNTRAINED))
        _learn(model, trials, _Keeping(state, config.keep_every, f"agent {number}, {regime}", stopped))
        write_atomically(file, safetensors.torch.save(_weights(model)))
        remove_state(state)


def session_model(config: SessionsPpo, number: int, regime: str) -> RecurrentPPO:
    """Return an untrained agent in the sessions of a regime."""
    agent = config.agent
    env = ReachVecEnv(config.arms, nthread=1, **config.session_task(regime))
    steps = TRIALS * TRIAL_STEPS
    settings = {
        **agent.settings,
        "n_steps": steps,
        "batch_size": steps * config.minibatch,
        "learning_rate": config.rate,
    }
    return RecurrentPPO(
        agent.policy, VecNormalize(env, norm_reward=agent.normalise_rewards),
        seed=_seed(config, number, regime), device="cpu", **arguments(settings, env.action_space),
    )  # fmt: skip


def load_weights(model: BaseAlgorithm, file: Path) -> None:
    """Give an agent the networks of a file, and its knowledge of what observations are like.

    Raises:
        FileNotFoundError, ValueError: If the file is missing, was changed, or is that of another agent.
    """
    content = safetensors.torch.load(verified(file).read_bytes())
    seen = _seen(model)
    for part in PARTS:
        value = content.pop(f"{SEEN}.{part}").numpy()
        setattr(seen, part, float(value) if part == "count" else value)
    try:
        model.policy.load_state_dict(content)
    except RuntimeError as error:
        raise ValueError(f"{file} is not an agent of this experiment: {error}") from error


def _weights(model: BaseAlgorithm) -> dict[str, torch.Tensor]:
    content = {name: value.contiguous() for name, value in model.policy.state_dict().items()}
    seen = _seen(model)
    return content | {f"{SEEN}.{part}": torch.from_numpy(np.array(getattr(seen, part))) for part in PARTS}


def _seen(model: BaseAlgorithm) -> Any:
    normalisation = model.get_vec_normalize_env()
    assert normalisation is not None
    return normalisation.obs_rms


def _reaching_model(config: SessionsPpo, number: int) -> BaseAlgorithm:
    steps = config.reaching_trials * TRIAL_STEPS
    return make_model(config.agent, _seed(config, number, UNTRAINED), steps, steps, **config.task())


def _seed(config: SessionsPpo, number: int, regime: str) -> int:
    key = (UNTRAINED, *REGIMES).index(regime)
    return int(np.random.SeedSequence((config.seed, number, key)).generate_state(1)[0])


def _learn(model: BaseAlgorithm, trials: int, keeping: _Keeping) -> None:
    """Learn for a number of trials, from a saved state if there is one."""
    if keeping.stored is not None:
        restore_training(model, keeping.stored["training"])
    made = model.num_timesteps
    model.learn(trials * TRIAL_STEPS - made, keeping, reset_num_timesteps=made == 0)


class _Keeping(BaseCallback):
    """Keeps the state of a training every few trials, and when it is asked to stop.

    Args:
        file: Its file.
        every: Trials between states.
        name: Of the training, for the log.
        stopped: Whether to stop.

    Attributes:
        stored: What the file had when the training began; None without a file.
    """

    def __init__(self, file: Path, every: int, name: str, stopped: Callable[[], bool]) -> None:
        super().__init__()
        self._file, self._every, self._name, self._stopped = file, every, name, stopped
        self.stored = _read(file) if verified(file).is_file() else None
        self._kept = 0

    def _on_training_start(self) -> None:
        if self.stored is not None:
            vars(self.model).update(self.stored["training"]["attributes"])  # `learn` has set some anew

    def _on_rollout_start(self) -> None:
        trials = self.num_timesteps // TRIAL_STEPS
        if self.stored is not None:
            set_random_state(self.stored["random"])
            self.stored, self._kept = None, trials
            log.info("%s: resuming at trial %d", self._name, trials)
        stop = self._stopped()
        if trials > self._kept and (stop or trials >= self._kept + self._every):
            self._kept = trials
            content = {"training": training_state(self.model), "random": random_state()}
            write_atomically(self._file, cloudpickle.dumps(content))
            log.info("%s: trial %d", self._name, trials)
        if stop:
            raise Stopped

    def _on_step(self) -> bool:
        return True


def _read(file: Path) -> dict[str, Any]:
    """Return the content of a state, as the manifest has it."""
    try:
        return dict(pickle.loads(file.read_bytes()))
    except Exception as error:  # unpickling can raise anything
        raise ValueError(
            f"{file} cannot be read by this version: remove it to begin it anew: {error}"
        ) from error
