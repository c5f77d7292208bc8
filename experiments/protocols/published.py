"""Published findings in people, by perturbation and protocol, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

MARKO: Final = "Marko et al. 2012, doi 10.1152/jn.00177.2012"
SMITH: Final = "Smith, Ghazizadeh & Shadmehr 2006, doi 10.1371/journal.pbio.0040179"

CURL: Final = {
    "abrupt": "People come to reach straight through a force field, and err to the other side when it ends "
    "(Shadmehr & Mussa-Ivaldi 1994, doi 10.1523/JNEUROSCI.14-05-03208.1994).",
    "gradual": "In people, the after-effect in free space, without the robot, is 40 % of that in catch "
    "trials if the field came at once, and 60 % if it grew gradually (Kluzik et al. 2008, doi "
    "10.1152/jn.90334.2008). Such a transfer is not tested here.",
    "interference": "What people learned of A does not consolidate if they learn B right after it, but does "
    "if they learn B four hours later (Brashers-Krug, Shadmehr & Bizzi 1996, doi 10.1038/382252a0); others "
    "find full interference even after a week (Caithness et al. 2004, doi 10.1523/JNEUROSCI.2214-04.2004). "
    "Brashers-Krug et al. tested A a day later. Here A follows B at once, so B may still be in force.",
    "spontaneous-recovery": "In people, adaptation to A comes back in the clamp, which two processes of "
    f"different speed explain ({SMITH}).",
    "error-clamps": "In people, what was learned of a force field persists much longer through error clamps "
    "than through a washout (Scheidt et al. 2000, doi 10.1152/jn.2000.84.2.853).",
    "single-trials": f"People learn a smaller share of a larger error, felt or seen ({MARKO}).",
    "generalisation": "In people, what one trial in a force field teaches generalises over directions with "
    "two peaks, or hardly a second one, depending on how errors are measured (Donchin, Francis & Shadmehr "
    "2003, doi 10.1523/JNEUROSCI.23-27-09032.2003).",
}
ROTATION: Final = {
    "abrupt": "People learn a rotation of the cursor more slowly and less completely if they reach for "
    "several targets than for one (Krakauer et al. 2000, doi 10.1523/JNEUROSCI.20-23-08916.2000).",
    "gradual": "People whose cursor was rotated by 90 degrees in steps of 10 had larger after-effects "
    "than those who met all of it at once (Kagerer, Contreras-Vidal & Stelmach 1997, doi "
    "10.1007/PL00005727).",
    "interference": "People relearn a rotation of 30 degrees faster a day later, but not if they learned the "
    "opposite one 5 minutes after it. With washouts before all blocks, that interference is gone if B comes "
    "a day later, or if A was learned for twice as long (Krakauer, Ghez & Ghilardi 2005, doi "
    "10.1523/JNEUROSCI.4218-04.2005). In people A returned a day or more later, as it did in the study of "
    "force fields by Brashers-Krug, Shadmehr & Bizzi (1996, doi 10.1038/382252a0). Here A follows B at once, "
    "so B may still be in force.",
    "spontaneous-recovery": "In people, recovery in a clamp was shown after force fields "
    f"({SMITH}) and in saccades (Ethier, Zee & Shadmehr 2008, doi 10.1152/jn.00015.2008).",
    "error-clamps": "In people, a rotation that was learned fades in error clamps, as fast as without sight "
    "of the cursor, and is not relearned faster after them, as it is after a washout (Kitago et al. 2013, "
    "doi 10.3389/fnhum.2013.00307).",
    "single-trials": "The implicit correction that people make after an error grows with the error only up "
    "to about 6 degrees (Kim et al. 2018, doi 10.1038/s42003-018-0021-y), so that they learn a smaller share "
    f"of a larger one ({MARKO}).",
    "generalisation": "In people, a rotation learned towards one target generalises to other distances, but "
    "not to other directions (Krakauer et al. 2000, doi 10.1523/JNEUROSCI.20-23-08916.2000). The narrow peak "
    "is reproduced by a model whose units are tuned to direction with a width of about 23 degrees, not by "
    "one with cosine tuning (Tanaka, Sejnowski & Krakauer 2009, doi 10.1152/jn.90834.2008).",
}
PEOPLE: Final[Mapping[str, Mapping[str, str]]] = {"curl": CURL, "rotation": ROTATION}
