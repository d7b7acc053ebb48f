"""The section `optimisation`: of `training`, and of each network in `training.methods`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gendmr.config.base import Section


class OptimisationSection(Section):
    """How networks are trained. A method has defaults of its own; see its page."""

    batch_size: int = Field(default=64, ge=1)
    """People in a step."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Peak of the schedule (linear warm-up, then cosine)."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of weight matrices; biases, norms and shared embeddings are free of it."""
    epochs: int = Field(default=25, ge=1)
    """At most; an epoch passes once over the training people."""
    warmup: int = Field(default=2, ge=0)
    """Epochs of warm-up."""
    stopping: Literal["one_standard_error", "best_metric", "last"] = "one_standard_error"
    """Which epoch is kept: the last one that the inner validation does not call worse than the best
    (by one standard error of the loss), the one with the best primary metric of the task there, or
    the last of all."""
    patience: int = Field(default=8, ge=1)
    """Epochs that the rule does not keep before training stops."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a gradient."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the network's products; weights, losses and the optimiser stay float32. bfloat16 is meant
    for GPUs and large nulls; on a CPU it is slower."""
    compiled: bool = False
    """Compile a step with torch.compile: it costs a minute or more at the start of every job and
    needs a C++ compiler, and is meant for nulls of many permutations on a GPU."""
