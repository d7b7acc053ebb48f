"""How outputs of a task are compared: what a student learns from a teacher, who is right."""

from __future__ import annotations

import torch
from torch.nn import functional

from gendmr.engine.batches import Tensors
from gendmr.engine.network import target_of
from gendmr.tasks.base import Task


def divergence(
    task: Task,
    teacher: torch.Tensor,
    student: torch.Tensor,
    weight: torch.Tensor,
    temperature: float,
) -> torch.Tensor:
    """Return how far a student's output is from a teacher's, (person,).

    ``T^2 KL(softmax(t/T) || softmax(s/T))`` for classes (Hinton, Vinyals & Dean 2015); for a
    measurement half the squared difference in SDs, for a time that of the log risk against its mean
    over people: a temperature would change neither.

    Parameters
    ----------
    task : Task
    teacher, student : Tensor (person, n_outputs)
    weight : Tensor (person,)
        0 for people who do not count.
    temperature : float
    """
    if task.kind == "binary":
        target, estimate = teacher[:, 0] / temperature, student[:, 0] / temperature
        return temperature**2 * binary_divergence(target, estimate)
    if task.kind == "multiclass":
        target = functional.log_softmax(teacher / temperature, dim=1)
        estimate = functional.log_softmax(student / temperature, dim=1)
        return temperature**2 * (torch.exp(target) * (target - estimate)).sum(1)
    if task.kind == "survival":
        teacher = teacher - ignorant(task, teacher, weight)
        student = student - ignorant(task, student, weight)
    return (teacher.mean(1) - student.mean(1)) ** 2 / 2


def binary_divergence(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """Return KL(teacher || student) of two-class answers given as logits of the second class."""
    p = torch.sigmoid(teacher)
    return p * (functional.logsigmoid(teacher) - functional.logsigmoid(student)) + (1 - p) * (
        functional.logsigmoid(-teacher) - functional.logsigmoid(-student)
    )


def ignorant(task: Task, output: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the output (person, n_outputs) of one that knows nothing of a person.

    No logit, the mean measurement; for a time the mean output of people of weight above 0: its
    level alone says nothing of a person.
    """
    if task.kind != "survival":
        return torch.zeros_like(output)
    counts = (weight > 0).to(output.dtype)[:, None]
    mean = (output * counts).sum(0) / counts.sum().clamp(min=1.0)
    return mean.expand_as(output)


def is_right(
    task: Task, output: torch.Tensor, batch: Tensors, weight: torch.Tensor
) -> torch.Tensor:
    """Return 1 where the loss of a person is not above that of knowing nothing, (person,).

    For cases and controls: where the logit is on the person's side.
    """
    target = target_of(batch)
    loss = task.loss(output, target, weight)
    ignorant_loss = task.loss(ignorant(task, output, weight), target, weight)
    return (loss <= ignorant_loss).to(output.dtype)


def rightness(
    task: Task, output: torch.Tensor, batch: Tensors, weight: torch.Tensor
) -> torch.Tensor:
    """Return how right an output is for each person, 0 to 1, (person,): falls as the loss grows.

    ``exp(-loss)``: the probability of the true class; of a measurement, its density as a share of
    the largest. For a time ``1 / (1 + exp(loss - loss of knowing nothing))``, since a partial
    likelihood shrinks with the number of people; one half for the censored under a Cox model, whose
    own loss is 0.
    """
    target = target_of(batch)
    loss = task.loss(output, target, weight)
    if task.kind != "survival":
        return torch.exp(-loss)
    ignorant_loss = task.loss(ignorant(task, output, weight), target, weight)
    return torch.sigmoid(ignorant_loss - loss)
