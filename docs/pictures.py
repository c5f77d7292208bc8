"""Draw the picture of every environment page: `python docs/pictures.py`, which needs OpenGL.

The model-based controller reaches for the target without knowing of a field. The picture is taken in the
middle of the reach.
"""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image

from agents.baselines.agents import ModelBasedController
from savings_gym import ENV_IDS

FOLDER = Path(__file__).resolve().parent / "environments" / "pictures"
STEPS = 33  # control steps of 10 ms after the start of the trial
COLOURS = 64  # of the palette: a picture takes about 15 kB


def draw(env_id: str) -> np.ndarray:
    """Return a picture of a trial of an environment, (480, 480, 3)."""
    env = gym.make(env_id, render_mode="rgb_array", go_time=0.1, catch_fraction=0.0)
    settings = env.unwrapped.settings
    controller, state = ModelBasedController(settings), None
    options = {} if settings.directions is None else {"target": 3}
    if settings.schedule is not None:
        options["field"] = settings.schedule.phases[1].field  # the first phase has none
    observation, _ = env.reset(seed=0, options=options)
    for _ in range(STEPS):
        action, state = controller.predict(observation, state)
        observation, *_ = env.step(action)
    picture = env.render()
    env.close()
    return picture


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for env_id in ENV_IDS:
        Image.fromarray(draw(env_id)).quantize(COLOURS).save(FOLDER / f"{env_id}.png", optimize=True)
