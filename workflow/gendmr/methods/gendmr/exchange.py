"""Dominant modality and contrastive self-distillation: teacher and student exchange roles.

Known of GenDMR (abstract of arXiv 2506.01456): a dominant modality is selected, a contrastive
self-distillation follows, and teacher and student exchange their roles. How is ours:

- A modality *leads* a training person when its own head is right about the person's outcome by a
  margin more than the other's (`dominance` says whether this is settled for the person, for a batch
  or for an epoch). How right a head is falls as the loss of the task grows; for classes it is the
  probability of the true class (`gendmr.methods.distillation.rightness`). It is that of the
  students, once per epoch, averaged over epochs, and never differentiated. A person's own evidence
  is left out of the tables that the heads read (`gendmr.methods.evidence`).
- The teacher is an exponential average of the network's own weights. Where modality *m* leads, the
  teacher's head of *m* teaches the student's other head (`gendmr.methods.distillation.divergence`),
  only where the teacher is right.
- The student's view of the other modality is drawn to the teacher's view of *m*: supervised InfoNCE
  (Khosla et al. 2020) with the same person as positive and a person of the same stratum of the
  outcome as half a positive, against the people of the batch and a queue of earlier views.

Only people with both modalities lead, teach and learn here. Outcomes are used in training only.
All functions are for one replicate and run under `torch.func.vmap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.engine.batches import Tensors
from gendmr.engine.network import Step, Teacher
from gendmr.engine.phase import Term
from gendmr.methods.distillation import divergence, is_right, rightness
from gendmr.methods.gendmr.network import MODALITIES
from gendmr.tasks.base import Task

Outputs = Mapping[str, torch.Tensor]
OTHER = {"snp": "region", "region": "snp"}
SELF = {"snp": "snp", "region": "region"}
TEMPERATURE_OF_VIEWS = 0.1
SAME_STRATUM = 0.5
TEACHER = "average"


@dataclass(frozen=True)
class Exchange:
    """The losses, the teacher and the memory of the exchange of roles.

    Parameters
    ----------
    options : GendmrMethod
    task : Task
    groups : tuple of str
        Of `Task.groups` among training people: shares of who leads are told for each.
    """

    options: GendmrMethod
    task: Task
    groups: tuple[str, ...]

    @staticmethod
    def wanted(options: GendmrMethod) -> bool:
        """Return whether anything is learned from the other modality."""
        return options.distillation > 0 or options.contrast > 0

    @property
    def teacher_of(self) -> Mapping[str, str]:
        """Whose average teaches a modality."""
        return SELF if self.options.roles == "self" else OTHER

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        """The average of the network."""
        return (Teacher(TEACHER, teacher_decay),)

    @property
    def terms(self) -> dict[str, Term]:
        """Distillation, ramped up, and contrast."""
        options, terms = self.options, {}
        if options.distillation > 0:
            terms["distillation"] = Term(
                self.distil, lambda epoch: options.distillation * min(1.0, epoch / options.ramp)
            )
        if options.contrast > 0:
            terms["contrast"] = Term(self.contrast, lambda epoch: options.contrast)
        return terms

    def start(self, people: Tensors) -> Tensors:
        """Return the memory of a replicate before the first step.

        Parameters
        ----------
        people : dict of Tensor (person, ...)
            Training people: `has_<modality>`, `weight`, `stratum`, `group`.

        Returns
        -------
        dict of Tensor
            One row more than people: that of padding.
        """
        weight = people["weight"]
        blank = weight.new_zeros(1)
        empty = weight.new_zeros(len(weight) + 1)
        has_both = people["has_snp"] * people["has_region"] * (weight > 0)
        memory = {
            "group": torch.cat([people["group"], blank - 1]),
            "both": torch.cat([has_both, blank]),
            "right_snp": empty,
            "right_region": empty.clone(),
            "seen": empty.clone(),
            "dominant": empty.clone(),
            "gap": weight.new_zeros(()),
        }
        if self.options.contrast > 0 and self.options.queue:
            size = self.options.queue
            memory["queue_stratum"] = weight.new_zeros(size)
            memory["queue_real"] = weight.new_zeros(size)
            memory["queue_person"] = torch.full((size,), -1)
            for name in MODALITIES:
                memory[f"queue_{name}"] = weight.new_zeros(size, self.options.projection)
        return memory

    def dominant(self, memory: Outputs, batch: Outputs) -> torch.Tensor:
        """Return who leads each person of a batch (person,): 1 imaging, -1 genetics, 0 neither."""
        options, person = self.options, batch["person"]
        if options.roles == "self":
            return torch.zeros_like(batch["weight"])
        if options.roles != "exchange":
            return torch.full_like(batch["weight"], 1.0 if options.roles == "imaging" else -1.0)
        gap = (memory["right_region"] - memory["right_snp"])[person]
        if options.dominance == "batch":
            weight = memory["both"][person] * memory["seen"][person] * (batch["weight"] > 0)
            gap = ((gap * weight).sum() / weight.sum().clamp(min=1.0)).expand_as(gap)
        elif options.dominance == "epoch":
            gap = memory["gap"].expand_as(gap)
        return torch.sign(gap) * (gap.abs() > options.margin)

    @property
    def everybody(self) -> bool:
        """Whether both modalities learn from everybody, whoever leads."""
        roles = self.options.roles
        return roles == "self" or (roles == "exchange" and self.options.dominance == "none")

    def _student_weights(self, memory: Outputs, batch: Outputs) -> Tensors:
        """Return the weight (person,) with which each modality learns from the other."""
        has_both = _both(batch)
        if self.everybody:
            return dict.fromkeys(MODALITIES, has_both)
        dominant = self.dominant(memory, batch)
        return {"snp": has_both * (dominant > 0), "region": has_both * (dominant < 0)}

    def distil(self, step: Step) -> torch.Tensor:
        """Return the mean over people of the divergence from the leading teacher."""
        batch, task = step.batch, self.task
        students = self._student_weights(step.memory, batch)
        weight = batch["has_snp"] * batch["has_region"] * batch["weight"]
        total = weight.sum() * 0.0
        for name in MODALITIES:
            teacher = step.teacher_outputs[TEACHER][f"output_{self.teacher_of[name]}"]
            right = is_right(task, teacher, batch, weight)
            student = step.outputs[f"output_{name}"]
            divergences = divergence(task, teacher, student, weight, self.options.temperature)
            total = total + (students[name] * right * batch["weight"] * divergences).sum()
        return total / weight.sum().clamp(min=1e-6)

    def contrast(self, step: Step) -> torch.Tensor:
        """Return the mean InfoNCE over people of the students' views against the teachers'."""
        batch, memory = step.batch, step.memory
        students = self._student_weights(memory, batch)
        has_both = _both(batch)
        stratum, person, real = batch["stratum"], batch["person"], has_both
        if self.options.queue:
            stratum = torch.cat([stratum, memory["queue_stratum"]])
            person = torch.cat([person, memory["queue_person"]])
            real = torch.cat([real, memory["queue_real"]])
        same_person = (batch["person"][:, None] == person).to(has_both.dtype)  # (person, key)
        same_stratum = (batch["stratum"][:, None] == stratum).to(has_both.dtype)
        positive = real * torch.maximum(same_person, SAME_STRATUM * same_stratum)
        total = has_both.sum() * 0.0
        for name in MODALITIES:
            keys = step.teacher_outputs[TEACHER][f"view_{self.teacher_of[name]}"]
            if self.options.queue:
                keys = torch.cat([keys, memory[f"queue_{self.teacher_of[name]}"]])
            closeness = step.outputs[f"view_{name}"] @ keys.T / TEMPERATURE_OF_VIEWS
            closeness = closeness + torch.where(real > 0, 0.0, -1e4)
            losses = -(positive * functional.log_softmax(closeness, dim=1)).sum(1)
            total = total + (students[name] * losses / positive.sum(1).clamp(min=1e-6)).sum()
        return total / has_both.sum().clamp(min=1.0)

    def after_batch(self, step: Step) -> Tensors:
        """Return the memory with what a step showed of its people."""
        batch, memory = step.batch, step.memory
        person, has_both = batch["person"], _both(batch)
        after = dict(memory)
        past_share = self.options.memory * memory["seen"][person]
        for name in MODALITIES:
            right = rightness(self.task, step.outputs[f"output_{name}"], batch, has_both)
            past = memory[f"right_{name}"]
            after[f"right_{name}"] = past.scatter(
                0, person, past_share * past[person] + (1 - past_share) * right
            )
        after["dominant"] = memory["dominant"].scatter(0, person, self.dominant(memory, batch))
        after["seen"] = memory["seen"].scatter(0, person, torch.ones_like(batch["weight"]))
        if "queue_stratum" in memory:
            size = self.options.queue
            views = step.teacher_outputs[TEACHER]
            entries = {"stratum": batch["stratum"], "real": has_both, "person": person}
            entries |= {name: views[f"view_{name}"] for name in MODALITIES}
            for name, value in entries.items():
                after[f"queue_{name}"] = torch.cat([value, memory[f"queue_{name}"]])[:size]
        return after

    def after_epoch(self, memory: Tensors) -> Tensors:
        """Return the memory for the next epoch: the mean gap of this one."""
        weight = memory["both"] * memory["seen"]
        gap = (memory["right_region"] - memory["right_snp"]) * weight
        return {**memory, "gap": gap.sum() / weight.sum().clamp(min=1.0)}

    def metrics(self, memory: Outputs) -> Tensors:
        """Return the shares of people with both modalities led by each, by group."""
        shares = {}
        dominant = memory["dominant"] * (not self.everybody)
        for code, group in enumerate(self.groups):
            weight = memory["both"] * memory["seen"] * (memory["group"] == code)
            for name, value in (("region", 1.0), ("snp", -1.0), ("none", 0.0)):
                share = (weight * (dominant == value)).sum() / weight.sum().clamp(min=1.0)
                shares[f"lead_{name}_{group}"] = share
        return shares


def _both(batch: Outputs) -> torch.Tensor:
    """Return 1 for people with both modalities, 0 for others and for padding (person,)."""
    return batch["has_snp"] * batch["has_region"] * (batch["weight"] > 0)


def teacher_decay(step: int) -> float:
    """Return the share of the past in the teacher: rises to 0.99, then to 0.999.

    It warms up: otherwise the average would still be the initial weights.
    """
    return min((1 + step) / (10 + step), 0.99 + 0.009 * min(step / 2000, 1.0))
