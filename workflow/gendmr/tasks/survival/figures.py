"""Kaplan-Meier curves by predicted risk, and calibration at horizons."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gendmr.statistics.survival import kaplan_meier, kaplan_meier_interval, logrank
from gendmr.tasks.figure import TaskFigure
from gendmr.tasks.survival.columns import HORIZONS, SURVIVAL, arrays
from gendmr.tasks.survival.metrics import THIRDS, thirds

if TYPE_CHECKING:
    from gendmr.tasks.survival.task import SurvivalTask

GROUPS, IN_GROUP = 5, 20  # at most so many groups of predicted risk, at least so many people each
DRAWN = 3  # horizons


def _axis(unit: str) -> str:
    return f"time ({unit})" if unit else "time"


def draw_kaplan_meier(predictions: Mapping[str, pd.DataFrame], path: Path, *, unit: str) -> Any:
    """Draw Kaplan-Meier curves of held-out people by third of their predicted risk."""
    from matplotlib.lines import Line2D

    from gendmr import style
    from gendmr.tasks import drawing

    colours = (style.BLUE, style.ORANGE, style.RED)
    methods = drawing.shown(predictions)
    if not methods:
        return style.text_figure("Nobody is held out: there are no survival curves.", path)
    reference = next(iter(predictions))
    figure, panels = drawing.panels(len(methods), share=False, gap=0.45)
    longest = max(rows["time"].max() for rows in methods.values())
    for place, (axes, (method, rows)) in enumerate(zip(panels, methods.items(), strict=True)):
        people = rows.groupby("participant_id").agg(
            time=("time", "first"), event=("event", "first"), risk=("risk", "mean")
        )
        time, event, risk = arrays(people)
        third = thirds(risk)
        axes.set(xlim=(0, longest), ylim=(0, 1), yticks=[0, 0.5, 1])
        axes.locator_params(axis="x", nbins=4, steps=[1, 2, 3, 5, 6, 10])
        ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= longest]
        for number, colour in enumerate(colours):
            inside = third == number
            if not inside.any():
                continue
            at = np.concatenate([[0.0], kaplan_meier(time[inside], event[inside]).times])
            curve, low, high = kaplan_meier_interval(time[inside], event[inside], at)
            axes.fill_between(at, low, high, step="post", color=colour, alpha=0.18, lw=0)
            axes.step(at, curve, where="post", color=colour, lw=1.1)
            censored = time[inside & ~event]
            height = kaplan_meier(time[inside], event[inside]).at(censored)
            axes.plot(censored, height, "|", color=colour, ms=2.2, mew=0.4)
            for tick in ticks:
                axes.annotate(
                    f"{int((time[inside] >= tick).sum())}",
                    (tick, 0),
                    xycoords=("data", "axes fraction"),
                    xytext=(0, -36 - 7.5 * number),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    color=colour,
                    size=style.SMALL,
                )
        axes.annotate(
            "at risk",
            (0, 0),
            xycoords="axes fraction",
            xytext=(-4, -28.5),
            textcoords="offset points",
            ha="left",
            va="center",
            size=style.SMALL,
        )
        drawing.title(axes, method, method == reference, pad=10)
        p = logrank(time, event, third)[1]
        text = "p n/a" if not np.isfinite(p) else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
        axes.annotate(
            f"log-rank {text}",
            (0.5, 1),
            xycoords="axes fraction",
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=style.SMALL,
        )
        axes.set_xlabel(_axis(unit))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.tick_params(labelleft=place % drawing.COLUMNS == 0)
    handles = [
        Line2D([], [], color=colour, lw=1.1, label=f"{name} risk")
        for name, colour in zip(THIRDS, colours, strict=True)
    ]
    left_out = len(predictions) - len(methods)
    drawing.finish(figure, "", "free of the event", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


def survival_at(rows: pd.DataFrame, time: float) -> np.ndarray:
    """Return predicted survival at a time, float64 (person,).

    Between stored times the hazard is constant; after the last of them the value stays.
    """
    at = rows[list(HORIZONS)].to_numpy(float)
    stored = np.clip(rows[list(SURVIVAL)].to_numpy(float), 1e-12, 1)
    at = np.column_stack([np.zeros(len(at)), at])
    hazard = np.column_stack([np.zeros(len(at)), -np.log(stored)])
    place = np.clip((at <= time).sum(axis=1), 1, at.shape[1] - 1)
    person = np.arange(len(at))
    start, end = at[person, place - 1], at[person, place]
    share = np.clip((time - start) / np.where(end > start, end - start, np.inf), 0, 1)
    share = np.where(time >= end, 1.0, share)
    before, after = hazard[person, place - 1], hazard[person, place]
    return np.asarray(np.exp(-(before + share * (after - before))))


def draw_calibration(
    predictions: Mapping[str, pd.DataFrame], path: Path, *, unit: str, horizons: tuple[float, ...]
) -> Any:
    """Draw observed against predicted risk at some horizons, by groups of predicted risk."""
    from matplotlib.lines import Line2D

    from gendmr import style
    from gendmr.tasks import drawing

    methods = drawing.shown(predictions)
    if not methods:
        return style.text_figure("Nobody is held out: nothing can be calibrated.", path)
    reference = next(iter(predictions))
    point_styles = ((style.SKY, "o"), (style.BLUE, "s"), (style.ORANGE, "^"))
    pooled = pd.concat(methods.values())
    quartile = [HORIZONS[round(len(HORIZONS) * share) - 1] for share in (0.25, 0.5, 0.75)]
    usual = [float(pooled[name].median()) for name in quartile]
    moments = list(horizons)[:DRAWN] if horizons else sorted(set(usual))
    figure, panels = drawing.panels(len(methods))
    for axes, (method, rows) in zip(panels, methods.items(), strict=True):
        drawing.unit_square(axes)
        axes.plot([0, 1], [0, 1], color="black", lw=0.5, ls=":")
        for moment, (colour, marker) in zip(moments, point_styles, strict=False):
            people = rows.assign(predicted=1 - survival_at(rows, moment))
            people = people.groupby("participant_id").agg(
                time=("time", "first"), event=("event", "first"), predicted=("predicted", "mean")
            )
            points = _observed(people, moment)
            error = np.abs(np.array([points[2], points[3]]) - points[1])
            axes.errorbar(
                points[0], points[1], np.nan_to_num(error), fmt=f"{marker}-", color=colour, ms=2.6,
                lw=0.8, clip_on=False,
            )  # fmt: skip
        drawing.title(axes, method, method == reference)
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=2.6, lw=0.8, label=f"{moment:.3g} {unit}")
        for moment, (colour, marker) in zip(moments, point_styles, strict=False)
    ]
    left_out = len(predictions) - len(methods)
    drawing.finish(figure, "predicted risk of the event", "observed risk", handles, left_out)
    style.save(figure, path, crop=False)
    return figure


def _observed(people: pd.DataFrame, moment: float) -> np.ndarray:
    """Return mean predicted risk, observed risk and its bounds of groups, float64 (4, group)."""
    predicted = people["predicted"].to_numpy(float)
    time, event = people["time"].to_numpy(float), people["event"].to_numpy(int) == 1
    groups = int(np.clip(len(people) // IN_GROUP, 1, GROUPS))
    inner = np.quantile(predicted, np.arange(1, groups) / groups, method="inverted_cdf")
    member = np.searchsorted(np.unique(inner), predicted, side="left")
    points = []
    for number in np.unique(member):
        inside = member == number
        # A group without anybody under follow-up at that time has no observed survival.
        if time[inside].max() < moment:
            continue
        at = np.array([moment])
        curve, low, high = kaplan_meier_interval(time[inside], event[inside], at)
        points.append([predicted[inside].mean(), 1 - curve[0], 1 - high[0], 1 - low[0]])
    return np.array(points).reshape(-1, 4).T


def figures(task: SurvivalTask) -> tuple[TaskFigure, ...]:
    """Return the figures of a time until an event."""
    unit, horizons = task.section.unit, task.section.horizons
    return (
        TaskFigure(
            "kaplan_meier",
            "Kaplan-Meier curves of held-out people by third of their predicted risk, averaged over"
            " repeats, with 95 % intervals and the log-rank p-value of the thirds; ticks are"
            " censored times, numbers below are people at risk.",
            partial(draw_kaplan_meier, unit=unit),
        ),
        TaskFigure(
            "survival_calibration",
            "Observed risk of the event (Kaplan-Meier, 95 % intervals) against the predicted one in"
            " groups of held-out people with similar predictions, at some times.",
            partial(draw_calibration, unit=unit, horizons=horizons),
        ),
    )
