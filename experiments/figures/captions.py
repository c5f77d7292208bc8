"""What the figures ask, by their names, and what their pictures show, by the names of their files."""

from __future__ import annotations

from typing import Final

NETWORKS: Final = "Dots: networks; squares beside them: means with 95 % t intervals."
EVENTS: Final = (
    "Grey lines: the time at which activity counts as prepared (0.16 s), go, and the step in which the "
    "cue is seen."
)
QUESTIONS: Final = {  # that the figures answer
    "behaviour": "How do networks learn, forget and relearn, and what do their reaches look like?",
    "learning": "Does FF2 start lower, and is it learned faster?",
    "channel": "How much of the field do they compensate, and what is left after washout?",
    "muscles": "What do the muscles do, and does the arm become stiffer?",
    "size": "Do larger networks show more savings?",
    "practice": "What is left beyond equal practice without a field, at every network size?",
    "preparatory": "Does learning shift activity before the reach, and does washout take the shift back?",
    "displacement": "Does displacing activity along the shift change the first reach in the field?",
    "persistence": "How much of a displacement of preparatory activity is left when the cue is seen?",
    "fading": "Do larger networks keep more of a displacement, and respond more to it?",
    "integrator": "What does the integrator of the study's arm do to its numbers?",
    "relation": "Do networks that retain more of the shift show more savings?",
    "latent": "Where do trajectories lie, and does familiar activity serve the learned task?",
    "controls": "Is it memory of the field, or practice? Does the length of baseline or washout matter?",
    "timing": "When in the reach do savings arise, and is the arm stiffer in it?",
    "factors": "Which parts of the protocol decide whether a displacement stays?",
}
CAPTIONS: Final = {
    "behaviour_curves": (
        "Lateral deviation of the hand in probes over the four phases, to the side to which the field "
        "pushes: mean over networks, with its 95 % t interval as a band that is often narrower than the "
        "line."
    ),
    "behaviour_paths": (
        "Paths of the hand to the eight targets, seen from above; blue ground: in the field. Top: before "
        "the first update of a phase, in the field of that phase. Middle and bottom: after its last update, "
        "without and with the field. Thin lines: networks; thick lines: their mean."
    ),
    "behaviour_speed": "Speed of the hand, mean over targets and networks.",
    "learning": (
        "**a**, deviation in FF1 and FF2, with the exponential whose rate is the learning rate. **b**, what "
        "the exponential leaves. **c**, initial deviation, and **d**, learning rate of every network; lines "
        "join FF1 and FF2 of one network, squares are means with 95 % t intervals. Diamonds: the study."
    ),
    "channel": (
        "Reaches in a channel that holds the hand on the straight line. **a**, force on its wall, mean over "
        "targets and networks, and the force that would cancel the field at the speed of these reaches "
        "(ideal). **b**, how much of the ideal force networks make, a regression; lines join the phases of "
        "one network, squares are means with 95 % t intervals, which are narrower than the squares."
    ),
    "muscles": (
        "**a**, excitation of every muscle in reaches before the field (end of NF1), when the field is met "
        "(start of FF1) and once it has been learned (end of FF1); grey lines: go, and the step in which "
        "the cue is seen. **b**, networks as they are after every phase, all without a field: co-contraction "
        "in holds and in reaches, which after FF1 are those of the after-effect, and stiffness and damping, "
        "from a small push of the held hand, of the muscles alone and with the feedback of the networks. "
        "Lines join the phases of one network; squares: means with 95 % t intervals."
    ),
    "size": (
        "**a**, **b**, share of networks whose own FF2 is better than their own FF1 (paired), and of pairs "
        "of FF1 of one network and FF2 of another (all pairs), with 95 % intervals; 0.5 is no savings. "
        f"**c**, **d**, savings. {NETWORKS}"
    ),
    "practice": (
        "Runs less their shams, network by network; 0 is what practice alone does. **a**, initial "
        "deviation; **b**, learning rate (1 is twice as fast); **c**, share of the preparatory shift that "
        "is left; **d**, memory trace. Networks count if they reach within 10 mm at the end of NF1. "
        f"{NETWORKS}"
    ),
    "preparatory_ring": (
        "Prepared activity of the eight targets (corners) after every phase, on the axes that tell the "
        "force of the hand. **a**, mean over networks; **b**, one network; **c**, the force that the axes "
        "predict, mean over networks. The large mark is the target at 0°."
    ),
    "preparatory_shift": (
        "Prepared activity along the shift from NF1 (0) to FF1 (1), which is the same for all targets; on "
        "the right, the sham, read on the axes of its run. Lines join the phases of one network; squares: "
        "means with 95 % t intervals."
    ),
    "preparatory_trial": (
        "Activity along the shift over the trial. **a**, means over networks. **b**, the same less NF1: at "
        "0.16 s, where the shift is read as in the study, activity has not quite settled, and what is left "
        f"until go may differ from it. {EVENTS}"
    ),
    "displacement": (
        "Activity of networks after washout, displaced by *m* shifts before they meet the field. **a**, "
        "change of the initial deviation, mean over networks (band: 95 % t interval). **b**, its slope in "
        "every network, along the shift (squares) and along eight random directions of equal length (dots). "
        "**c**, slope against the time of the displacement, means with 95 % t intervals. **d**, what is "
        f"left of it. {EVENTS}"
    ),
    "persistence": (
        "Networks at the end of NF2, in the hold. **a**, eigenvalues of the linearised step from one control "
        "step to the next, of the networks with an unchanged input; a mode on the dashed circle decays by "
        "1/e in 1 s, on the dotted one in 0.1 s. **b**, what is left of a small displacement in three "
        "directions, simulated and by the linear step. **c**, share of these directions in slow modes. "
        "**d**, how much of the shift a network keeps, against how much the shift changes its deviation. "
        f"{NETWORKS}"
    ),
    "fading": (
        "Networks of every size at the end of NF2. **a**, how much of a displacement along the shift at "
        "0.16 s is left when the cue is seen; **b**, along random directions of equal length; **c**, how "
        "much a displacement along the shift changes the initial deviation; **d**, decay rate of the slowest "
        f"mode of the networks alone. {NETWORKS}"
    ),
    "integrator": f"The same networks in arms that are integrated in three ways. {NETWORKS}",
    "relation": (
        "Savings of every network against the share of the shift that it keeps after washout, with lines of "
        "least squares by size. **a**, initial deviation; **b**, learning rate."
    ),
    "latent": (
        "**a**, activity of one network on its first two principal components. **b**, distance of activity "
        "from that of NF1, mean over networks with 95 % t intervals; dotted: distance of the targets from "
        "their mean. **c**, how much of a phase's activity lies in the subspace of NF1. **d**, share of "
        f"four kinds of differences that the read-out to the muscles sees. {NETWORKS}"
    ),
    "controls": (
        "Conditions with the number of their networks. **a**, initial savings, and **b**, rate savings, "
        "against what the legend names; **c**, activity in NF2 along the main run's shift. Means with 95 % "
        "intervals; arrows: the interval goes on beyond the axis."
    ),
    "timing": (
        "Networks after washout and those of the sham, probed without learning. **a**, the first reach "
        "of FF2: deviation over the trial, to the side to which the field pushes. **b**, how much "
        "nearer to the line the hand is than the sham's, in the learned field and in its opposite; and, "
        "without a field, how much farther to the side against the learned one. **c**, co-contraction "
        "in the field; less deviation also means less correction. **d**, without a field: how far a "
        "small push across the reach, 0.15 s after the cue is seen and for 0.1 s, moves the hand at "
        f"most. Grey lines: go, and the step in which the cue is seen. {NETWORKS} Bands: 95 % t "
        "intervals."
    ),
    "factors": (
        "Conditions that differ from the main run in one thing (`pretrained-quarter` in two, see its "
        "question), with the number of their networks. Those of `gate-by-gate`, `motor`, `pretrained-half`, "
        "`pretrained-quarter` and `quiet` were pre-trained for their run and share only their numbers with "
        "the main run's. The washout residual is the deviation at the end of NF2 less that of NF1, positive "
        "to the side of FF1's field; where it is missing, see the table of washouts in "
        "[controls](#controls). **a**, how much a displacement along the shift changes the initial "
        "deviation; **b**, how much of it is left when the cue is seen; **c**, shift that is left after "
        "washout, less that of the condition's own sham, on the condition's own axis; **d**, initial savings "
        f"beyond practice. {NETWORKS}"
    ),
}  # fmt: skip
