"""Laws of recurrent layers over sequences of any lengths, and of the buffer that cuts them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sb3_contrib")

from gymnasium import spaces  # noqa: E402
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer  # noqa: E402
from sb3_contrib.common.recurrent.type_aliases import RNNStates  # noqa: E402

from agents.ppo.layers import LAYERS, make_layers, run_layers  # noqa: E402
from agents.ppo.trial_buffer import TrialBuffer  # noqa: E402

PLANE = spaces.Box(-np.inf, np.inf, (2,), np.float32)


@pytest.fixture(autouse=True)
def threads_as_before() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", LAYERS)
def test_the_kernels_give_outputs_states_and_gradients_of_torch(cell: str, layers: int, threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    lengths = np.array([7, 2, 1, *np.random.default_rng(0).integers(1, 10, 34)])
    module = make_layers(cell, 3, 10, layers).double()
    given = {"dtype": torch.double, "requires_grad": True}
    inputs, states = torch.randn(lengths.sum(), 3, **given), torch.randn(2, layers, 37, 10, **given)
    weights = torch.randn(len(inputs), 10, dtype=torch.double), torch.randn(2, layers, 37, 10).double()
    leaves, results = [inputs, states, *module.parameters()], []
    for fused in (True, False):
        outputs, last = run_layers(module, inputs, states.unbind(), lengths, fused)
        total = (outputs * weights[0]).sum() + (torch.stack(last) * weights[1]).sum()
        results.append([outputs, *last, *torch.autograd.grad(total, leaves)])
    for ours, torchs in zip(*results, strict=True):  # tanh in the kernels is right to 1.1e-11
        torch.testing.assert_close(ours, torchs, rtol=1e-8, atol=1e-8)


def filled(kind: Any) -> Any:
    rng = np.random.default_rng(3)
    buffer = kind(12, PLANE, PLANE, (12, 1, 5, 4), "cpu", n_envs=5)
    for _ in range(12):
        states = [tuple(torch.from_numpy(rng.normal(size=(1, 5, 4)).astype("f")) for _ in "hc") for _ in "pv"]
        series = [rng.normal(size=(5, 2)), rng.normal(size=(5, 2)), rng.normal(size=5), rng.random(5) < 0.3]
        values, log_probs = torch.from_numpy(rng.normal(size=(2, 5)).astype("f"))
        buffer.add(*series, values, log_probs, lstm_states=RNNStates(*states))
    buffer.compute_returns_and_advantage(torch.zeros(5), np.zeros(5))
    return buffer


def flat(sample: Any) -> list[Any]:
    states = [part for side in sample.lstm_states for part in side]
    return [*(part for part in sample if torch.is_tensor(part)), *states]


def test_minibatches_are_those_of_the_stock_buffer() -> None:
    buffers = [filled(RecurrentRolloutBuffer), filled(TrialBuffer)]
    for batch_size in (7, 25, None):
        epochs = []
        for buffer in buffers:
            np.random.seed(5)
            epochs.append([flat(sample) for sample in buffer.get(batch_size)])
        for stock, ours in zip(*epochs, strict=True):
            for a, b in zip(stock, ours, strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_without_padding_the_same_steps_remain() -> None:
    whole, bare = filled(TrialBuffer), filled(TrialBuffer)
    bare.padded = False
    epochs = []
    for buffer in (whole, bare):
        np.random.seed(5)
        epochs.append(list(buffer.get(13)))
    for padded, sample in zip(*epochs, strict=True):
        real = padded.mask > 0
        for name in ("observations", "actions", "returns", "episode_starts"):
            assert torch.equal(getattr(padded, name)[real], getattr(sample, name))
        lengths = real.reshape(padded.lstm_states.pi[0].shape[1], -1).sum(1)
        np.testing.assert_array_equal(sample.lstm_states.pi.lengths, lengths)


def test_minibatches_of_whole_sequences_hold_every_step_once_and_starts_only_at_the_front() -> None:
    buffer = filled(TrialBuffer)
    buffer.minibatches = "sequences"
    samples = list(buffer.get(20))
    assert len(samples) == 3
    seen = torch.cat([sample.observations[sample.mask > 0] for sample in samples])
    everything = torch.from_numpy(buffer.observations)
    assert torch.equal(seen[seen[:, 0].argsort()], everything[everything[:, 0].argsort()])
    for sample in samples:
        starts = sample.episode_starts.reshape(sample.lstm_states.pi[0].shape[1], -1)
        assert not starts[:, 1:].any()
