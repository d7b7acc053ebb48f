"""Who leads, who teaches: dominant modality and contrastive self-distillation.

Known of GenDMR (abstract of arXiv 2506.01456): a dominant modality is selected, a contrastive
self-distillation follows, and teacher and student exchange their roles. How is ours:

- A modality *leads* a training person when the averaged probability that its own head gives to the
  person's true class exceeds the other's by a margin (`dominance` says whether this is settled for
  the person, for a batch or for an epoch). The probabilities are those of the students, one per
  epoch, averaged over epochs, and never differentiated. A person's own evidence is left out of the
  tables that the heads read (`gendmr.methods.evidence`).
- The teacher is an exponential average of the network's own weights. Where modality *m* leads, the
  teacher's head of *m* teaches the student's other head: ``T^2 KL(softmax(t/T) || softmax(s/T))``
  (Hinton, Vinyals & Dean 2015), only where the teacher is right.
- The student's view of the other modality is drawn to the teacher's view of *m*: supervised InfoNCE
  (Khosla et al. 2020) with the same person as positive and the same class as half a positive,
  against the people of the batch and a queue of earlier views.

Only people with both modalities lead, teach and learn here. Diagnoses are used in training only.
All functions are for one replicate and run under `torch.func.vmap`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional

from gendmr.config.methods.gendmr import GendmrMethod
from gendmr.methods.classification import MODALITIES, OTHER, binary_divergence
from gendmr.engine.batches import Tensors
from gendmr.engine.network import AuxiliaryLoss, Teacher

Outputs = Mapping[str, torch.Tensor]
TEMPERATURE_OF_VIEWS = 0.1
SAME_CLASS = 0.5
TEACHER = "average"


@dataclass(frozen=True)
class Exchange:
    """The losses, the teacher and the memory of the exchange of roles.

    Parameters
    ----------
    options : GendmrMethod
    """

    options: GendmrMethod

    @property
    def active(self) -> bool:
        """Whether anything is learned from the other modality."""
        return self.options.distillation > 0 or self.options.contrast > 0

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        """The average of the network; young ones follow faster, or they would teach the start."""
        return (Teacher(TEACHER, decay),) if self.active else ()

    @property
    def losses(self) -> tuple[AuxiliaryLoss, ...]:
        """Distillation, ramped up, and contrast."""
        options, found = self.options, []
        if options.distillation > 0:
            found.append(
                AuxiliaryLoss(
                    "distillation",
                    lambda epoch: options.distillation * min(1.0, epoch / options.ramp),
                    self.distil,
                )
            )
        if options.contrast > 0:
            found.append(AuxiliaryLoss("contrast", lambda epoch: options.contrast, self.contrast))
        return tuple(found)

    def start(self, people: Tensors) -> Tensors:
        """Return the memory before the first step.

        Parameters
        ----------
        people : dict of tensors (replicate, person, ...)

        Returns
        -------
        dict of tensors, the replicate axis first
            One row more than people: that of padding.
        """
        y = people["y"]
        both = people["has_snp"] * people["has_region"] * (people["weight"] > 0)
        replicates = y.shape[0]
        blank = torch.zeros(replicates, 1, dtype=y.dtype, device=y.device)
        empty = torch.zeros(replicates, y.shape[1] + 1, dtype=y.dtype, device=y.device)
        memory = {
            "y": torch.cat([y, blank], 1),
            "both": torch.cat([both, blank], 1),
            "right_snp": empty,
            "right_region": empty.clone(),
            "seen": empty.clone(),
            "leads": empty.clone(),
            "gap": torch.zeros(replicates, dtype=y.dtype, device=y.device),
        }
        if self.options.contrast > 0 and self.options.queue:
            size = (replicates, self.options.queue)
            memory["queue_y"] = torch.zeros(size, dtype=y.dtype, device=y.device)
            memory["queue_real"] = torch.zeros(size, dtype=y.dtype, device=y.device)
            memory["queue_person"] = torch.full(size, -1, device=y.device)
            for name in MODALITIES:
                memory[f"queue_{name}"] = torch.zeros(
                    (*size, self.options.projection), dtype=y.dtype, device=y.device
                )
        return memory

    def leads(self, memory: Outputs, batch: Outputs) -> torch.Tensor:
        """Return who leads each person of a batch: 1 imaging, -1 genetics, 0 neither."""
        options, person = self.options, batch["person"]
        if options.roles != "exchange":
            return torch.full_like(batch["y"], 1.0 if options.roles == "imaging" else -1.0)
        gap = (memory["right_region"] - memory["right_snp"])[person]
        if options.dominance == "batch":
            weight = memory["both"][person] * memory["seen"][person] * (batch["weight"] > 0)
            gap = ((gap * weight).sum() / weight.sum().clamp(min=1.0)).expand_as(gap)
        elif options.dominance == "epoch":
            gap = memory["gap"].expand_as(gap)
        return torch.sign(gap) * (gap.abs() > options.margin)

    def _pupils(self, memory: Outputs, batch: Outputs) -> Tensors:
        """Return the weight with which each person's head of a modality learns from the other."""
        both = _both(batch)
        if self.options.dominance == "none" and self.options.roles == "exchange":
            return dict.fromkeys(MODALITIES, both)
        leads = self.leads(memory, batch)
        return {"snp": both * (leads > 0), "region": both * (leads < 0)}

    def distil(
        self, student: Outputs, teachers: Mapping[str, Outputs], batch: Outputs, memory: Outputs
    ) -> torch.Tensor:
        """Return the mean over people of the divergence from the leading teacher."""
        temperature = self.options.temperature
        pupils = self._pupils(memory, batch)
        both = batch["has_snp"] * batch["has_region"] * batch["weight"]
        total = both.sum() * 0.0
        for name in MODALITIES:
            answer = teachers[TEACHER][f"logit_{OTHER[name]}"]
            right = ((answer > 0) == (batch["y"] > 0.5)).to(answer.dtype)
            divergence = binary_divergence(
                answer / temperature, student[f"logit_{name}"] / temperature
            )
            total = total + (pupils[name] * right * batch["weight"] * divergence).sum()
        return temperature**2 * total / both.sum().clamp(min=1e-6)

    def contrast(
        self, student: Outputs, teachers: Mapping[str, Outputs], batch: Outputs, memory: Outputs
    ) -> torch.Tensor:
        """Return the mean InfoNCE over people of the pupils' views against the teachers'."""
        pupils = self._pupils(memory, batch)
        both = _both(batch)
        y, person, real = batch["y"], batch["person"], both
        if self.options.queue:
            y = torch.cat([y, memory["queue_y"]])
            person = torch.cat([person, memory["queue_person"]])
            real = torch.cat([real, memory["queue_real"]])
        same = (batch["person"][:, None] == person).to(y.dtype)
        alike = (batch["y"][:, None] == y).to(y.dtype)
        positive = real * torch.maximum(same, SAME_CLASS * alike)
        total = both.sum() * 0.0
        for name in MODALITIES:
            keys = teachers[TEACHER][f"view_{OTHER[name]}"]
            if self.options.queue:
                keys = torch.cat([keys, memory[f"queue_{OTHER[name]}"]])
            closeness = student[f"view_{name}"] @ keys.T / TEMPERATURE_OF_VIEWS
            closeness = closeness + torch.where(real > 0, 0.0, -1e4)
            each = -(positive * functional.log_softmax(closeness, dim=1)).sum(1)
            total = total + (pupils[name] * each / positive.sum(1).clamp(min=1e-6)).sum()
        return total / both.sum().clamp(min=1.0)

    def remember(
        self,
        memory: Tensors,
        student: Outputs,
        teachers: Mapping[str, Outputs],
        batch: Outputs,
    ) -> Tensors:
        """Return the memory with what a step showed of its people."""
        person = batch["person"]
        found = dict(memory)
        keep = self.options.memory * memory["seen"][person]
        for name in MODALITIES:
            logit = student[f"logit_{name}"]
            right = torch.sigmoid(torch.where(batch["y"] > 0.5, logit, -logit))
            past = memory[f"right_{name}"]
            found[f"right_{name}"] = past.scatter(
                0, person, keep * past[person] + (1 - keep) * right
            )
        found["leads"] = memory["leads"].scatter(0, person, self.leads(memory, batch))
        found["seen"] = memory["seen"].scatter(0, person, torch.ones_like(batch["y"]))
        if "queue_y" in memory:
            size = self.options.queue
            both = _both(batch)
            new = {"y": batch["y"], "real": both, "person": person}
            new |= {name: teachers[TEACHER][f"view_{name}"] for name in MODALITIES}
            for name, value in new.items():
                found[f"queue_{name}"] = torch.cat([value, memory[f"queue_{name}"]])[:size]
        return found

    def turn(self, memory: Tensors) -> Tensors:
        """Return the memory for the next epoch: the mean gap of this one."""
        weight = memory["both"] * memory["seen"]
        gap = (memory["right_region"] - memory["right_snp"]) * weight
        return {**memory, "gap": gap.sum() / weight.sum().clamp(min=1.0)}

    def summarise(self, memory: Outputs) -> Tensors:
        """Return the shares of people with both modalities led by each, by diagnosis."""
        shares = {}
        if self.options.dominance == "none" and self.options.roles == "exchange":
            leads = torch.zeros_like(memory["leads"])
        else:
            leads = memory["leads"]
        for group, chosen in (("case", memory["y"] > 0.5), ("control", memory["y"] < 0.5)):
            weight = memory["both"] * memory["seen"] * chosen
            for name, value in (("region", 1.0), ("snp", -1.0), ("none", 0.0)):
                share = (weight * (leads == value)).sum() / weight.sum().clamp(min=1.0)
                shares[f"lead_{name}_{group}"] = share
        return shares


def _both(batch: Outputs) -> torch.Tensor:
    """Return 1 for the people of a batch who have both modalities, 0 for others and for padding."""
    return batch["has_snp"] * batch["has_region"] * (batch["weight"] > 0)


def decay(step: int) -> float:
    """Return the share of the past in the teacher: rises to 0.99, then to 0.999."""
    return min((1 + step) / (10 + step), 0.99 + 0.009 * min(step / 2000, 1.0))
