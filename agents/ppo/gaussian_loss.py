"""The loss of recurrent PPO for Gaussian actions, with its gradients from a numba kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sb3_contrib.common.recurrent.type_aliases import RecurrentRolloutBufferSamples
from stable_baselines3.common.distributions import DiagGaussianDistribution

from agents.kernels import clipped_loss as kernel

NAMES = {
    "policy_gradient_loss": kernel.POLICY,
    "value_loss": kernel.VALUE,
    "entropy_loss": kernel.ENTROPY,
    "clip_fraction": kernel.CLIPPED,
    "approx_kl": kernel.DIVERGENCE,
}


def supports(policy: Any) -> bool:
    """Return whether the kernel knows the distribution of a policy's actions, on a CPU in float32."""
    return (
        policy.device.type == "cpu"
        and type(policy.action_dist) is DiagGaussianDistribution
        and policy.log_std.dtype == torch.float32
    )


def gaussian_loss(
    policy: Any,
    sample: RecurrentRolloutBufferSamples,
    clips: tuple[float, float | None],
    weights: tuple[float, float],
    normalise: bool,
) -> tuple[Callable[[], None], dict[str, float]]:
    """Compute the loss of a minibatch without padding.

    Args:
        policy: A `RecurrentPolicy`, for which `supports` is true.
        sample: The minibatch.
        clips: Clip ranges of the ratio and of values, None for no clipping.
        weights: Weights of the entropy and of the values.
        normalise: Whether to normalise advantages.

    Returns:
        A function that adds the gradients of the loss to the parameters, and the loss, its terms and further
        numbers for the log, by name.
    """
    latent_pi, latent_vf, _ = policy.latents(sample.observations, sample.lstm_states, sample.episode_starts)
    outputs = [policy.action_net(latent_pi), policy.log_std, policy.value_net(latent_vf)]
    gradients = [torch.empty_like(output, memory_format=torch.contiguous_format) for output in outputs]
    means, log_std, values = (output.detach().contiguous().numpy() for output in outputs)
    d_means, d_log_std, d_values = (gradient.numpy() for gradient in gradients)
    data = tuple(
        series.numpy()
        for series in (
            sample.actions,
            sample.old_log_prob,
            sample.old_values,
            sample.advantages,
            sample.returns,
        )
    )
    terms = np.empty(kernel.TERMS)
    clip, clip_values = clips[0], kernel.UNCLIPPED if clips[1] is None else clips[1]
    kernel.clipped_loss(
        means, log_std, values.ravel(), data, normalise, clip, clip_values, weights,
        (d_means, d_log_std, d_values.ravel()), terms,
    )  # fmt: skip
    named = {name: float(terms[index]) for name, index in NAMES.items()}
    named["loss"] = (
        named["policy_gradient_loss"] + weights[0] * named["entropy_loss"] + weights[1] * named["value_loss"]
    )
    return lambda: torch.autograd.backward(outputs, gradients), named
