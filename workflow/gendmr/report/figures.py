"""Figures that compare methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.report.performance import held_out

GRID = np.linspace(0.0, 1.0, 101)


def draw_performance(summary: dict[str, Any], path: Path) -> None:
    """Draw the AUC of each method: folds as dots, mean and 95 % interval as a bar."""
    methods = [item for item in summary["methods"] if item["auc_of_folds"]]
    figure, axes = style.canvas(size=(style.COLUMN * 1.35, 0.9 + 0.34 * len(methods)))
    for row, item in enumerate(reversed(methods)):
        colour = style.BLUE if item["method"] == summary["main"] else style.GREY
        folds = [each["auc"] for each in item["auc_of_folds"] if each["auc"] is not None]
        axes.plot(folds, [row] * len(folds), "o", ms=4, mfc="none", mec=colour, alpha=0.6, mew=0.8)
        auc = item["metrics"].get("auc", {})
        if auc.get("low") is not None and auc.get("high") is not None:
            # An interval of a mean may leave the range of an AUC when folds are few.
            axes.plot(
                np.clip([auc["low"], auc["high"]], 0, 1), [row, row], color=colour, lw=2, zorder=2
            )
        if auc.get("mean") is not None:
            axes.plot(auc["mean"], row, "s", color=colour, ms=6, zorder=3)
            axes.annotate(
                f"{auc['mean']:.2f}", (1.01, row), xycoords=("axes fraction", "data"), va="center"
            )
    axes.axvline(0.5, color="black", lw=0.8, ls=":")
    axes.set_yticks(range(len(methods)), [item["method"] for item in reversed(methods)])
    axes.set_ylim(-0.6, len(methods) - 0.4)
    low, high = axes.get_xlim()
    axes.set_xlim(max(0.0, min(0.45, low)), min(1.0, max(0.75, high)))
    axes.set_xlabel("AUC of held-out people (dotted: chance)")
    style.save(figure, path)


def draw_roc(results: Path, summary: dict[str, Any], path: Path) -> None:
    """Draw each method's ROC curve, averaged over folds at the same false-positive rate."""
    figure, axes = style.canvas(size=(style.COLUMN * 1.2, style.COLUMN * 1.2))
    axes.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
    colours = iter((style.ORANGE, style.GREEN, style.RED, style.PURPLE, style.SKY, style.YELLOW))
    for item in summary["methods"]:
        listed = [(each["repeat"], each["fold"]) for each in item["auc_of_folds"]]
        curve = mean_roc(held_out(results, item["method"], listed))
        main = item["method"] == summary["main"]
        colour = style.BLUE if main else next(colours, style.GREY)
        auc = item["metrics"].get("auc", {}).get("mean")
        label = item["method"] if auc is None else f"{item['method']} ({auc:.2f})"
        if curve is not None:
            axes.plot(GRID, curve, color=colour, lw=2 if main else 1.1, label=label)
    axes.set(xlabel="Share of controls called cases", ylabel="Share of cases found", aspect="equal")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.01)
    axes.legend(title="Method (mean AUC)", loc="lower right")
    style.save(figure, path)


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
