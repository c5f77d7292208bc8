"""The kernel of PPO's loss: its value and its gradients are those of torch."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("numba")

from torch.distributions import Normal  # noqa: E402

from agents.kernels import clipped_loss as kernel  # noqa: E402

STEPS, ACTIONS = 50, 3


def minibatch(steps: int) -> tuple[list[Any], list[Any]]:
    """What the policy gives, and the data; ratios and values lie within and beyond their clip ranges."""
    rng = np.random.default_rng(4)
    shapes = ((steps, ACTIONS), (ACTIONS,), (steps,))
    outputs = [torch.tensor(0.5 * rng.normal(size=shape), requires_grad=True) for shape in shapes]
    actions = torch.tensor(rng.normal(size=(steps, ACTIONS)))
    log_prob = Normal(outputs[0], outputs[1].exp()).log_prob(actions).sum(1).detach()
    old_log_prob = log_prob + torch.tensor(0.3 * rng.normal(size=steps))
    return outputs, [actions, old_log_prob, *torch.tensor(rng.normal(size=(3, steps)))]


def losses_of_torch(
    outputs: list[Any], data: list[Any], normalise: bool, clip: float, clip_values: float | None
) -> tuple[Any, ...]:
    means, log_std, values = outputs
    actions, old_log_prob, old_values, advantages, returns = data
    if normalise and len(advantages) > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    distribution = Normal(means, log_std.exp())
    ratio = torch.exp(distribution.log_prob(actions).sum(1) - old_log_prob)
    clipped = torch.clamp(ratio, 1 - clip, 1 + clip)
    policy = -torch.min(advantages * ratio, advantages * clipped).mean()
    if clip_values is not None:
        values = old_values + torch.clamp(values - old_values, -clip_values, clip_values)
    value = ((returns - values) ** 2).mean()
    entropy = -(distribution.entropy() + torch.zeros_like(means)).sum(1).mean()
    share = ((ratio - 1).abs() > clip).double().mean()
    return policy, value, entropy, share, (ratio - 1 - torch.log(ratio)).mean()


@pytest.mark.parametrize(
    ("steps", "normalise", "clip_values"), [(STEPS, True, None), (STEPS, False, 0.5), (1, True, None)]
)
def test_loss_and_gradients_are_those_of_torch(
    steps: int, normalise: bool, clip_values: float | None
) -> None:
    outputs, data = minibatch(steps)
    weights, terms = (0.02, 0.7), np.empty(kernel.TERMS)
    gradients = tuple(np.empty(tuple(output.shape)) for output in outputs)
    kernel.clipped_loss(
        *(output.detach().numpy() for output in outputs), tuple(series.numpy() for series in data), normalise,
        0.2, kernel.UNCLIPPED if clip_values is None else clip_values, weights, gradients, terms,
    )  # fmt: skip
    expected = losses_of_torch(outputs, data, normalise, 0.2, clip_values)
    assert terms == pytest.approx([term.item() for term in expected], rel=1e-9, abs=1e-12)
    assert steps == 1 or 0.1 < terms[kernel.CLIPPED] < 0.9
    total = expected[0] + weights[1] * expected[1] + weights[0] * expected[2]
    for ours, torchs in zip(gradients, torch.autograd.grad(total, outputs), strict=True):
        np.testing.assert_allclose(ours, torchs.numpy(), rtol=1e-9, atol=1e-12)
