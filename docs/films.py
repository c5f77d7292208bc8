"""Film every environment for its page: `python docs/films.py`, which needs OpenGL.

The model-based controller reaches for two targets, or through a session of three trials, without knowing of a
field.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np

from agents.baselines.agents import ModelBasedController
from experiments.film.encode import write_film
from savings_gym import ENV_IDS, CurlField, FieldPair, ReachSessionEnv, interference_session
from savings_gym.task.settings import TRIAL_STEPS

FOLDER = Path(__file__).resolve().parent / "environments" / "films"
TARGETS = (3, 0)
LAST_STEP = 66  # control steps of 10 ms that are shown of each trial
EVERY = 4  # steps between frames
FPS = 12  # about half of real time
HELD = 1.0  # s, the last frame


def film(env_id: str) -> Iterator[np.ndarray]:
    """Return the frames of two trials of an environment, (480, 480, 3) each."""
    env = gym.make(env_id, render_mode="rgb_array", go_time=0.1, catch_fraction=0.0)
    if isinstance(env.unwrapped, ReachSessionEnv):
        yield from film_session(env_id)
        return
    settings = env.unwrapped.settings
    controller = ModelBasedController(settings)
    for trial, target in enumerate(TARGETS):
        options = {} if settings.directions is None else {"target": target}
        if settings.schedule is not None:
            options["field"] = settings.schedule.phases[1].field  # the first phase has none
        observation, _ = env.reset(seed=trial, options=options)
        state = None
        for step in range(LAST_STEP):
            action, state = controller.predict(observation, state)
            observation, *_ = env.step(action)
            if step % EVERY == 0:
                yield env.render()
    env.close()


def film_session(env_id: str) -> Iterator[np.ndarray]:
    """Return the frames of a session with a trial in each block, (480, 480, 3) each."""
    session = interference_session(1, 1, 1, pairs=[FieldPair(CurlField(8.0), CurlField(-8.0))])
    env = gym.make(
        env_id, session=session, render_mode="rgb_array", go_time=0.1, catch_fraction=0.0, trial_cue=True
    )
    controller = ModelBasedController(env.unwrapped.settings)
    observation, _ = env.reset(seed=1)
    state, truncated, step = None, False, 0
    while not truncated:
        action, state = controller.predict(observation, state)
        observation, _, _, truncated, _ = env.step(action)
        if step % TRIAL_STEPS % EVERY == 0 and step % TRIAL_STEPS < LAST_STEP:
            yield env.render()
        step += 1
    env.close()


if __name__ == "__main__":
    for env_id in ENV_IDS:
        write_film(FOLDER / f"{env_id}.gif", film(env_id), FPS, HELD)
