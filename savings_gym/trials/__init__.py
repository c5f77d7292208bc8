"""Trials of people, or of any other learner, from a table: one row per reach.

A trial table has one row per participant and trial, with these columns, in any order and beside any others:

=====================  =======  =================================================================
column                 type     meaning
=====================  =======  =================================================================
``participant``        text     who reached; numbers are read as text
``phase``              text     NF1, FF1, NF2 or FF2 for the measures of savings; any others are possible
``trial``              int      order of the participant's trials, numbered through all phases; or anew in
                                every phase, and phases then come in the order of the file
``target``             text     optional; name or number of the target
``lateral_deviation``  float    distance from the straight line, positive to the right, in the unit given
``angle``              float    angular error, in the unit given: of what is seen to move, such as the
                                cursor, and not the angle of the hand, which grows with learning
``force_index``        float    share of a field that the force on a channel would cancel; no unit
``perturbation``       float    optional; size in units of the one to be learned: 0, 1, -1, ...
``clamp``              float    optional; error that was shown whatever the reach, same unit; empty on others
``channel``            0 or 1   optional; whether the hand was in a force channel; or False and True; if
                                missing, it was not
=====================  =======  =================================================================

At least one of the three measures is needed. An empty cell, or NA, N/A, NaN or None in letters of any case,
is a trial without that value; participant, phase and trial must be there. Numbers are finite, those of
trials below 2**53 in magnitude, and text files are UTF-8. `TrialTable.series` refuses missing trials: within
a phase, and between two phases if the numbers of the participant rise through all phases.
`TrialTable.probe_table` turns the table into what learning curves, savings and figures are made from, and
`TrialTable.series` into what the models of `savings_gym.models` take. The first needs the column
``perturbation`` if participants meet fields or rotations to different sides.
"""

from savings_gym.trials.table import KEYS, MEASURES, OPTIONAL, UNITS, TrialTable, read_trials

__all__ = ["KEYS", "MEASURES", "OPTIONAL", "UNITS", "TrialTable", "read_trials"]
