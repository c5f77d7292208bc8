"""The controls, declared: the main experiment with one thing changed in each.

Networks, seed and everything else are those of a main run, so that networks are paired across conditions. A
condition names the run in which the same networks met the field of its FF2 for the first time (``naive``),
and the run with equal practice but no field in FF1 (``sham``). Savings against the first may be practice;
savings against the second are memory of the field.

The motors of the actuation control pull along the muscles' paths in proportion to their command, with no
relation to length or speed and hardly any lag; read-out and senses stay as they are. Their networks were
pre-trained with them and differ from those of the main run. Bare joint torques are for learners in the
environments (``ForceFieldReachTorque-v0``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from experiments.savings.config import PRESETS, SHIPPED, Savings
from experiments.savings.phases import PhaseChanges
from savings_gym.arrays import as_choice
from savings_gym.task.settings import Noise

MAIN: Final = "main"
SHAM: Final = "sham"
FEW: Final = 4  # networks of the conditions that learn in another way from the beginning
WASHOUTS: Final = {"eighth": 1 / 8, "quarter": 1 / 4, "half": 1 / 2, "double": 2.0}
MOTORS: Final = Path("experiments/pretrained/gru128-motor.safetensors")  # see the README beside it
MOTOR_NETWORKS: Final = 4  # in that file
FACTOR_NETWORKS: Final = 8  # most networks of a factor
FIELD_NETWORKS: Final = 16  # most networks of the fields that are beside the field and its opposite
FACTOR: Final = "factor"
FEW_TARGETS: Final = {"few-four": (0, 2, 4, 6), "few-three": (0, 1, 2)}


@dataclass(frozen=True)
class Condition:
    """One run of the experiment.

    Attributes:
        name: Name of its folder.
        control: Control it belongs to, such as "opposite field".
        tests: Its question, in a sentence.
        config: Arguments of the run; `out` is set when it is run.
        naive: Condition in whose FF1 the same networks met the field of this FF2 for the first time; itself
            if that is its own FF1.
        sham: Condition with equal practice before FF2 and no field in FF1; None for a sham.
        shares: Condition whose first phases may also be those of this one.
    """

    name: str
    control: str
    tests: str
    config: Savings
    naive: str
    sham: str | None
    shares: str | None = None


def conditions(main: Savings, few: int = FEW, networks: int | None = None) -> dict[str, Condition]:
    """Return all conditions by name, the main run first; each follows those with which it shares phases.

    Args:
        main: Arguments of the main run.
        few: Most networks of the conditions that learn in another way from the beginning.
        networks: Networks of all other conditions, the first ones of the main run; all of them if None.
    """
    base = main if networks is None else dataclasses.replace(main, networks=networks)
    fewer = dataclasses.replace(base, networks=min(FIELD_NETWORKS, base.networks))
    every = [
        Condition(MAIN, "main experiment", "Is the field relearned faster than it was learned?",
                  main, MAIN, SHAM),
        _change(base, SHAM, "sham", "Does practice without any field look like savings?", None, ff1_b=0.0),
        _change(base, "mirror", "main experiment", "The opposite field from the beginning (reference).",
                "mirror-sham", "mirror", ff1_b=-base.size, ff2_b=-base.size),
        _change(base, "mirror-sham", "sham", "The opposite field after practice (reference).",
                None, "mirror", SHAM, ff1_b=0.0, ff2_b=-base.size),
        _change(base, "opposite", "opposite field", "Does one field help or hinder learning its opposite?",
                "mirror-sham", "mirror", ff2_b=-base.size),
        _change(base, "other-targets", "different task",
                "Does training other targets without a field give savings?",
                SHAM, ff1_b=0.0, ff1_turn_deg=22.5),
        _change(base, "other-extent", "different task",
                "Does training longer reaches without a field give savings?",
                SHAM, ff1_b=0.0, ff1_reach=0.15),
        _change(fewer, "other-field", "different task", "Does a field that resists movement give savings?",
                SHAM, ff1_field="resistive"),
        _change(fewer, "assistive", "different task", "Does a field that assists movement give savings?",
                SHAM, ff1_field="resistive", ff1_b=-base.b),
        _change(fewer, "double", "field strength", "Does a field of twice the strength leave more?",
                SHAM, ff1_b=2.0 * base.size),
    ]  # fmt: skip
    for name, share in WASHOUTS.items():
        updates = max(1, round(share * base.nf2_updates))
        config = dataclasses.replace(base, nf2_updates=updates)
        question = f"What is left after a washout of {updates} updates?"
        every += _with_sham(config, f"washout-{name}", "washout", question, MAIN)
    for name, targets in FEW_TARGETS.items():
        question = f"Does a field on targets {', '.join(map(str, targets))} only leave savings on the others?"
        every += _with_sham(_changed(base, ff1_targets=targets), name, "few directions", question, MAIN)
    cue = _changed(base, cue=1.0)
    every += _with_sham(cue, "cue", "context cue", "Does an input that signals the field add to savings?")
    for name, (control, question, values) in _other_learning(base, few).items():
        config = dataclasses.replace(base, **({"networks": min(few, base.networks)} | values))
        every += _with_sham(config, name, control, question, shares=(None, name))
    if base.preset != "quick":
        every += _factors(base)
    return {condition.name: condition for condition in every}


def _other_learning(base: Savings, few: int) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Conditions that differ from the first update on: name to control, question and arguments."""
    rule, task = "learning rule", "noise and delay"
    loud = {name: 10.0 * value for name, value in dataclasses.asdict(base.noise).items()}
    eprop = {"rule": "eprop", "learning_rate": 1e-3}  # 1e-2 becomes unstable within 250 updates
    return {
        "eprop": (rule, "Does a local learning rule (e-prop) save?", eprop),
        "adam": (rule, "Does Adam instead of SGD save?", {"optimiser": "adam", "learning_rate": 1e-4}),
        "unfrozen": (rule, "Do networks with plastic input weights and read-out save?", {"frozen": ()}),
        "noise": (task, "Are there savings with ten times the noise?", {"noise": Noise(**loud)}),
        "delay-short": (task, "Are there savings when vision comes 40 ms earlier?", _delay(base, -0.04)),
        "delay-long": (task, "Are there savings when vision comes 40 ms later?", _delay(base, 0.04)),
        "motor": ("actuation", "Do networks with motors in place of muscles save, too?", _motors(base, few)),
    }


def _factors(base: Savings) -> list[Condition]:
    """What sets the study's protocol apart from shorter ones and other plants, one at a time.

    The numbers in the questions are those of the study's schedule; other presets scale them.
    """
    base = dataclasses.replace(base, networks=min(FACTOR_NETWORKS, base.networks))
    batches = base.pretraining_updates

    def share(updates: int, part: float) -> int:
        return max(1, round(part * updates))

    afresh: dict[str, tuple[str, dict[str, Any]]] = {  # networks that are pre-trained in their run
        "gate-by-gate": ("Do initial weights drawn gate by gate matter?", {"initial_weights": "gates"}),
        "pretrained-half": (
            "Does a pre-training of 10 500 batches matter?", {"pretraining_updates": share(batches, 0.525)}
        ),
        "pretrained-quarter": (
            "Does a pre-training of 4 500 batches, with a rate that falls in the last third, matter?",
            {
                "pretraining_updates": share(batches, 0.225),
                "pretraining_anneal": share(batches, 0.225) // 3,
            },
        ),
        "quiet": ("Does noise matter?", {"noise": Noise(0.0, 0.0, 0.0)}),
    }  # fmt: skip
    every = []
    for name, (question, values) in afresh.items():
        config = dataclasses.replace(base, pretrained=None, **values)
        every += _with_sham(config, name, FACTOR, question, shares=(None, name))
    baseline = dataclasses.replace(base, nf1_updates=share(base.nf1_updates, 0.06))
    every += _with_sham(
        baseline, "baseline-short", FACTOR, "Does a baseline of 600 updates matter?",
        shares=(None, "baseline-short"),
    )  # fmt: skip
    washout = dataclasses.replace(base, nf2_updates=share(base.nf2_updates, 0.12))
    return every + _with_sham(
        washout, "washout-short", FACTOR, "Does a washout of 1 200 updates matter?", MAIN
    )


def _delay(base: Savings, change: float) -> dict[str, Any]:
    vision = max(0.0, round(base.delays.vision + change, 2))
    return {"delays": dataclasses.replace(base.delays, vision=vision)}


def _motors(base: Savings, few: int) -> dict[str, Any]:
    """Motors, with weights that ship if the main run's do; otherwise both runs pre-train their networks."""
    ships = base.pretrained is not None and base.pretrained.parent == SHIPPED.parent
    if base.preset == "quick" and ships and base.units == PRESETS["quick"].units:
        networks = min(few, base.networks, MOTOR_NETWORKS)
        return {"actuation": "motor", "networks": networks, "pretrained": MOTORS}
    most = FACTOR_NETWORKS if base.preset == "paper" else few
    return {"actuation": "motor", "networks": min(most, base.networks), "pretrained": None}


def _changed(base: Savings, **changes: Any) -> Savings:
    return dataclasses.replace(base, change=PhaseChanges(**changes))


def _change(
    base: Savings, name: str, control: str, tests: str, sham: str | None, naive: str = MAIN,
    shares: str = MAIN, **changes: Any,
) -> Condition:  # fmt: skip
    """The main run with changes of FF1 or FF2."""
    return Condition(name, control, tests, _changed(base, **changes), naive, sham, shares)


def _with_sham(
    config: Savings, name: str, control: str, tests: str, naive: str | None = None,
    shares: tuple[str | None, str] = (MAIN, SHAM),
) -> list[Condition]:  # fmt: skip
    """A condition and the same one without a field in FF1."""
    without = dataclasses.replace(config, change=dataclasses.replace(config.change, ff1_b=0.0))
    sham, naive = f"{name}-sham", naive or name
    reference = f"{name}, without any field in FF1 (reference)."
    return [
        Condition(name, control, tests, config, naive, sham, shares[0]),
        Condition(sham, control, reference, without, naive, None, shares[1]),
    ]


def chosen(every: dict[str, Condition], names: tuple[str, ...]) -> dict[str, Condition]:
    """Return the named conditions and those they are compared with; all of them if none is named.

    Raises:
        ValueError: If a name is unknown.
    """
    for name in names:
        if name not in every and name in conditions(PRESETS["paper"]):
            raise ValueError(f"condition {name} needs a main run of another preset than quick, such as paper")
        as_choice("condition", name, every)
    wanted = {MAIN, SHAM, *names} if names else set(every)
    wanted |= {
        other for name in wanted for other in (every[name].naive, every[name].sham) if other is not None
    }
    return {name: condition for name, condition in every.items() if name in wanted}
