"""Figures that compare methods, and show who led."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.report.comparison import HIGHER, LOWER, REFERENCE, by_auc, mean_auc
from gendmr.report.leaders import Leaders
from gendmr.report.performance import held_out

GRID = np.linspace(0.0, 1.0, 101)
CURVES = 7  # more cannot be told apart
VERDICTS = {HIGHER: style.BLUE, LOWER: style.RED}
LEADERS = {"imaging": style.ORANGE, "genetics": style.BLUE, "nobody": style.GREY}


def draw_comparison(summary: dict[str, Any], path: Path) -> None:
    """Draw the AUC of each method, best first, and its paired difference from the reference.

    Dots are means over folds, bars their 95 % intervals, small circles folds. Where the interval of
    a difference includes 0 it is grey and hollow.
    """
    methods = [item for item in by_auc(summary["methods"]) if mean_auc(item) is not None][::-1]
    reference = summary["comparison"]["reference"]
    height = 0.75 + max(0.17, 0.3 - 0.01 * len(methods)) * len(methods)
    figure, (left, right) = style.canvas(1, 2, size=(style.COLUMN, height), sharey=True)
    figure.set_layout_engine("constrained")
    for row, item in enumerate(methods):
        _draw_auc(left, row, item, item["method"] == reference)
        _draw_difference(right, row, item["difference"])
    if all(item["difference"]["low"] is None for item in methods):
        right.text(
            0.5, 0.5, "not computed:\nfewer than 2 folds", transform=right.transAxes, ha="center"
        )
    left.axvline(0.5, color="black", lw=0.7, ls=":")
    right.axvline(0.0, color="black", lw=0.7)
    left.set_yticks(range(len(methods)), [item["method"] for item in methods], fontsize=6)
    for label, item in zip(left.get_yticklabels(), methods, strict=True):
        label.set_fontweight("bold" if item["method"] == reference else "normal")
    left.set_ylim(-0.7, len(methods) - 0.3)
    low, high = left.get_xlim()
    left.set_xlim(max(0.0, min(0.45, low)), min(1.0, max(0.75, high)))
    left.set_xlabel("AUC", fontsize=7)
    right.set_xlabel(f"difference from\n{reference}", fontsize=7)
    for axes in (left, right):
        axes.locator_params(axis="x", nbins=3)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.grid(axis="y", color="#eeeeee", lw=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    style.save(figure, path, crop=False)


def _draw_auc(axes: Any, row: int, item: dict[str, Any], reference: bool) -> None:
    colour = style.BLUE if reference else "black"
    folds = [each["auc"] for each in item["auc_of_folds"] if each["auc"] is not None]
    axes.plot(folds, [row] * len(folds), "o", ms=2, mfc="none", mec=style.GREY, mew=0.4, alpha=0.7)
    auc = item["metrics"]["auc"]
    if auc.get("low") is not None and auc.get("high") is not None:
        # An interval of a mean may leave the range of an AUC when folds are few.
        axes.plot(np.clip([auc["low"], auc["high"]], 0, 1), [row, row], color=colour, lw=1.1)
    axes.plot(auc["mean"], row, "o", color=colour, ms=3.5)


def _draw_difference(axes: Any, row: int, delta: dict[str, Any]) -> None:
    if delta["verdict"] == REFERENCE:
        axes.plot(0, row, "o", color=style.BLUE, ms=3.5)
    if delta["low"] is None:
        return
    colour = VERDICTS.get(delta["verdict"], style.GREY)
    fill = colour if delta["verdict"] in VERDICTS else "white"
    axes.plot([delta["low"], delta["high"]], [row, row], color=colour, lw=1.1)
    axes.plot(delta["mean"], row, "o", mec=colour, mfc=fill, ms=3.5, mew=0.9)


def draw_roc(results: Path, summary: dict[str, Any], path: Path) -> None:
    """Draw ROC curves, averaged over folds at the same false-positive rate.

    At most seven: see `shown_curves`.
    """
    figure, axes = style.canvas(size=(style.COLUMN * 1.2, style.COLUMN * 1.2))
    axes.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
    colours = iter((style.ORANGE, style.GREEN, style.RED, style.PURPLE, style.SKY, style.YELLOW))
    shown = shown_curves(summary["methods"], summary["comparison"]["reference"])
    for item in shown:
        listed = [(each["repeat"], each["fold"]) for each in item["auc_of_folds"]]
        curve = mean_roc(held_out(results, item["method"], listed))
        main = item["method"] == summary["comparison"]["reference"]
        colour = style.BLUE if main else next(colours)
        if curve is not None:
            label = f"{item['method']} ({mean_auc(item):.2f})"
            axes.plot(GRID, curve, color=colour, lw=2 if main else 1.1, label=label)
    axes.set(xlabel="Share of controls called cases", ylabel="Share of cases found", aspect="equal")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.01)
    left_out = len(summary["methods"]) - len(shown)
    more = f"; {left_out} more not drawn" if left_out else ""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(title=f"Method (mean AUC){more}", loc="lower right")
    style.save(figure, path)


def shown_curves(methods: Sequence[dict[str, Any]], reference: str) -> list[dict[str, Any]]:
    """Return the methods whose curves are drawn, best first.

    The reference, then the best of every other kind (ablations of one method differ little), then
    the best of what is left.
    """
    found = [item for item in by_auc(methods) if mean_auc(item) is not None]
    chosen = [item for item in found if item["method"] == reference]
    kinds = {item["kind"] for item in chosen}
    for item in found:
        if item["kind"] not in kinds:
            kinds.add(item["kind"])
            chosen.append(item)
    chosen += [item for item in found if item not in chosen]
    drawn = [item["method"] for item in chosen[:CURVES]]
    return [item for item in found if item["method"] in drawn]


def mean_roc(rows: pd.DataFrame) -> np.ndarray | None:
    """Return the mean true-positive rate at 101 false-positive rates, over folds with both groups.

    Parameters
    ----------
    rows : DataFrame
        Columns `repeat`, `fold`, `diagnosis` (0, 1) and `score`.
    """
    curves = []
    for _, part in rows.groupby(["repeat", "fold"]):
        truth = part["diagnosis"].to_numpy(int)
        score = part["score"].to_numpy(float)
        if truth.min() == truth.max():
            continue
        order = np.argsort(-score, kind="stable")
        # A threshold lies between different scores only: ties move together.
        last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
        found = np.cumsum(truth[order])[last]
        false = last + 1 - found
        curves.append(
            np.interp(
                GRID,
                np.append(0.0, false / false[-1]),
                np.append(0.0, found / found[-1]),
            )
        )
    return np.mean(curves, axis=0) if curves else None


def draw_leaders(leaders: Leaders, path: Path) -> None:
    """Draw the share of training people led by each modality, epoch by epoch, by diagnosis.

    Thick lines are means over folds, as long as half of the folds go on; thin lines are folds.
    """
    figure, axes = style.canvas(1, 2, size=(style.COLUMN, 2.1), sharey=True)
    figure.set_layout_engine("constrained")
    for panel, (group, title) in zip(
        axes, (("case", "Cases"), ("control", "Controls")), strict=True
    ):
        for leader, colour in LEADERS.items():
            for fold in leaders.shares[leader, group]:
                panel.plot(leaders.epochs, fold, color=colour, lw=0.5, alpha=0.4)
            panel.plot(
                leaders.epochs,
                leaders.mean(leader, group),
                color=colour,
                lw=1.8,
                marker="o" if len(leaders.epochs) == 1 else None,
                label=leader,
            )
        panel.set_title(title)
        panel.set_xlabel("epoch")
        panel.set_ylim(-0.02, 1.02)
        panel.xaxis.get_major_locator().set_params(integer=True, nbins=4)
    axes[0].set_ylabel("share of people led by")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    style.save(figure, path, crop=False)
