"""How strongly each parameter of GenDMR is held where it starts."""

from __future__ import annotations

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.config.optimisation import OptimisationSection
from gendmr.methods.gendmr.attention import SLOPE_DECAY
from gendmr.methods.gendmr.network import DEPARTURES, EMBEDDINGS, PRIOR, SLOPES

LEVEL_DECAY = 2.0  # of the level of a bag with slopes, which would else outgrow their shrinkage


def decay_of(name: str, options: GendmrMethod, optimisation: OptimisationSection) -> float:
    """Return the weight decay of a parameter.

    Parameters
    ----------
    name : str
        As in the module.
    options : GendmrMethod
    optimisation : OptimisationSection
    """
    leaf = name.rsplit(".", 1)[-1]
    if name in SLOPES:
        return SLOPE_DECAY
    if name in EMBEDDINGS:
        return options.embedding_decay
    if leaf == "log_scale" and options.design == "network":
        return LEVEL_DECAY
    if leaf in PRIOR or name.endswith(DEPARTURES):
        return options.prior_decay
    return optimisation.weight_decay if leaf == "weight" and "norm" not in name else 0.0
