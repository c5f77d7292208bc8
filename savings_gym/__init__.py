"""Gymnasium environments for savings: a muscle-driven arm that learns, forgets and relearns a force field.

Importing the package registers the environments, so that `gymnasium.make("ForceFieldReach-v0")` works.
"""

from savings_gym.bci.decoder import Decoder, population_vector
from savings_gym.bci.schedule import DecoderPhase, perturbed_phases
from savings_gym.envs.bci import BCIReachEnv, BCIReachVectorEnv
from savings_gym.envs.registration import BCI_ENV_IDS, ENV_IDS, register_envs
from savings_gym.envs.session import ReachSessionEnv, ReachSessionVectorEnv
from savings_gym.envs.single import ReachEnv
from savings_gym.envs.trials import spawn_seeds
from savings_gym.envs.vector import ReachVectorEnv
from savings_gym.envs.wrappers import ContextCue, ForceField, PhaseSchedule, VectorContextCue
from savings_gym.perturbations.fields import (
    ChannelField,
    ConstantField,
    CurlField,
    ElasticField,
    Field,
    NullField,
    SumField,
    ViscousField,
    as_field,
    field_from_dict,
)
from savings_gym.perturbations.modified import ForTargets, Pulse, Ramp, Scaled
from savings_gym.perturbations.position import AssistiveField, ErrorAugmentation, PositionField
from savings_gym.perturbations.visual import (
    MirrorReversal,
    VisualClamp,
    VisualGain,
    VisualPerturbation,
    VisualShift,
    VisuomotorRotation,
)
from savings_gym.probes.criterion import ReachCriterion
from savings_gym.probes.cursor import CursorProbe
from savings_gym.probes.probe import Probe
from savings_gym.probes.record_trials import RecordTrials
from savings_gym.probes.recorder import ProbeRecorder
from savings_gym.probes.sessions import run_sessions, savings_beyond_sham
from savings_gym.task.impairments import Fatigue, Impairments
from savings_gym.task.protocols import PROTOCOLS, protocol
from savings_gym.task.schedule import Phase, Schedule, as_schedule, four_phase
from savings_gym.task.session import (
    Block,
    FieldPair,
    Session,
    adaptation_session,
    as_session,
    curl_pairs,
    interference_session,
    savings_session,
)
from savings_gym.task.settings import Delays, Noise, RewardWeights

__all__ = [
    "BCI_ENV_IDS",
    "ENV_IDS",
    "PROTOCOLS",
    "AssistiveField",
    "BCIReachEnv",
    "BCIReachVectorEnv",
    "Block",
    "ChannelField",
    "ConstantField",
    "ContextCue",
    "CurlField",
    "CursorProbe",
    "Decoder",
    "DecoderPhase",
    "Delays",
    "ElasticField",
    "ErrorAugmentation",
    "Fatigue",
    "Field",
    "FieldPair",
    "ForTargets",
    "ForceField",
    "Impairments",
    "MirrorReversal",
    "Noise",
    "NullField",
    "Phase",
    "PhaseSchedule",
    "PositionField",
    "Probe",
    "ProbeRecorder",
    "Pulse",
    "Ramp",
    "ReachCriterion",
    "ReachEnv",
    "ReachSessionEnv",
    "ReachSessionVectorEnv",
    "ReachVectorEnv",
    "RecordTrials",
    "RewardWeights",
    "Scaled",
    "Schedule",
    "Session",
    "SumField",
    "VectorContextCue",
    "ViscousField",
    "VisualClamp",
    "VisualGain",
    "VisualPerturbation",
    "VisualShift",
    "VisuomotorRotation",
    "adaptation_session",
    "as_field",
    "as_schedule",
    "as_session",
    "curl_pairs",
    "field_from_dict",
    "four_phase",
    "interference_session",
    "perturbed_phases",
    "population_vector",
    "protocol",
    "register_envs",
    "run_sessions",
    "savings_beyond_sham",
    "savings_session",
    "spawn_seeds",
]

register_envs()
