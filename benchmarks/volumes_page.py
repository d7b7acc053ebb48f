"""Figures of docs/explanation/volumes.md, from the table that `volumes.py --output` wrote.

    python benchmarks/volumes_page.py [docs/explanation/volumes.tsv]

Beside the table come `volumes-heads.png` (measured against true volumes), `volumes-differences.png`
(Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8: difference by mean, per cent),
`volumes-loss.png` (changes seen and true) and `volumes-real.png` (real scans).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gendmr import style
from volumes import changes_of, described

STRUCTURES = {
    "icv": "head", "grey": "grey matter", "white": "white matter", "csf": "fluid",
    "cortex": "cortex", "lateral ventricle": "lateral ventricles", "hippocampus": "hippocampus",
    "amygdala": "amygdala", "putamen": "putamen", "caudate": "caudate", "thalamus": "thalamus",
    "pallidum": "pallidum",
}  # fmt: skip
ATLASES = {"one atlas": (style.BLUE, "o"), "several heads": (style.ORANGE, "s")}
# Repeated scans, per cent.
GOAL_CV = 1.5
TABLE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "volumes.tsv"


def markdown(table: pd.DataFrame, atlas: str) -> None:
    """Print the rows of the page: correlations over heads, raw and after head size, and ratios."""
    rows = table[(table["atlas"] == atlas) & (table["change"] == "whole")]
    wide = rows.pivot(index="person", columns="measure")
    measured, true = wide["measured"], wide["true"]
    print(f"\n{atlas}, {len(wide)} heads: {', '.join(wide.index)}")
    for measure, name in STRUCTURES.items():
        ratio = measured[measure] / true[measure]
        raw = np.corrcoef(measured[measure], true[measure])[0, 1]
        relative = "–"
        if measure != "icv":
            shares = [part[measure] / part["icv"] for part in (measured, true)]
            relative = f"{np.corrcoef(*shares)[0, 1]:.2f}"
        print(
            f"| {name} | {raw:.2f} | {relative} | {ratio.mean():.2f} ({ratio.min():.2f} to"
            f" {ratio.max():.2f}) |"
        )
    if "hypointense" in measured:
        lesions = wide[["measured", "true"]].xs("hypointense", axis=1, level=1)
        print("hypointense, ml:", lesions / 1000)
    for change in sorted(set(table["change"]) - {"whole"}):
        for measure in (*STRUCTURES, "left hippocampus", "hypointense"):
            changes = changes_of(table[table["atlas"] == atlas], change, measure)
            if not changes.empty:
                print(f"{change}: {measure} {described(changes)}")


def panels(title: str) -> tuple[Figure, list[Any]]:
    """Return a figure with one panel for each structure."""
    figure, axes = style.canvas(3, 4, size=(style.PAGE, style.PAGE * 0.75), layout="constrained")
    figure.suptitle(title, fontsize=8)
    return figure, list(np.ravel(axes))


def of(table: pd.DataFrame, atlas: str, measure: str, change: str = "whole") -> pd.DataFrame:
    rows = table[(table["atlas"] == atlas) & (table["measure"] == measure)]
    return rows[rows["change"] == change]


def draw_heads(table: pd.DataFrame, path: Path) -> None:
    """Measured against true volumes, ml."""
    figure, axes = panels("Volumes of painted heads, ml")
    for panel, (measure, name) in zip(axes, STRUCTURES.items(), strict=True):
        points = []
        for atlas, (colour, marker) in ATLASES.items():
            rows = of(table, atlas, measure)
            x, y = rows["true"] / 1000, rows["measured"] / 1000
            panel.scatter(x, y, s=14, color=colour, marker=marker, label=atlas, linewidths=0)
            points += [*x, *y]
        low, high = min(points), max(points)
        pad = 0.08 * (high - low)
        panel.plot([low - pad, high + pad], [low - pad, high + pad], color=style.LIGHT, zorder=0)
        panel.set(title=name, xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
        panel.set_aspect("equal")
    for panel in axes[8:]:
        panel.set_xlabel("true")
    for panel in axes[::4]:
        panel.set_ylabel("measured")
    axes[0].legend(loc="upper left", handletextpad=0.1, borderpad=0)
    style.save(figure, path, crop=False, vector=False)


def draw_differences(table: pd.DataFrame, path: Path) -> None:
    """Difference of measured and true volumes by their mean."""
    figure, axes = panels("Measured less true, in per cent of their mean, by their mean in ml")
    for panel, (measure, name) in zip(axes, STRUCTURES.items(), strict=True):
        panel.axhspan(-10, 10, color=style.PALE, zorder=0)
        panel.axhline(0, color=style.LIGHT, zorder=0)
        for atlas, (colour, marker) in ATLASES.items():
            rows = of(table, atlas, measure)
            mean = (rows["measured"] + rows["true"]) / 2
            apart = 100 * (rows["measured"] - rows["true"]) / mean
            panel.scatter(mean / 1000, apart, s=14, color=colour, marker=marker, label=atlas,
                          linewidths=0)  # fmt: skip
            panel.axhline(apart.mean(), color=colour, linewidth=0.8)
        panel.set(title=name, ylim=(-65, 65))
    axes[0].legend(loc="upper left", handletextpad=0.1, borderpad=0)
    style.save(figure, path, crop=False, vector=False)


def draw_loss(table: pd.DataFrame, path: Path) -> None:
    """Changes after a known loss, and how far two scans of a head differ: heads, and their mean."""
    changes = {
        "hippocampus -30": "30 % of the left hippocampus lost",
        "cortex -20": "20 % of the cortex lost",
        "again": "scanned again",
    }
    names = {**STRUCTURES, "left hippocampus": "left hippocampus"}
    figure, axes = style.canvas(
        1, len(changes), size=(style.PAGE, style.PAGE * 0.42), layout="constrained", sharey=True
    )
    places = np.arange(len(names))[::-1]
    rows = table[table["atlas"] == "one atlas"]
    for panel, (change, title) in zip(axes, changes.items(), strict=True):
        panel.axvline(0, color=style.LIGHT, zorder=0)
        for place, measure in zip(places, names, strict=True):
            of_heads = changes_of(rows, change, measure)
            if of_heads.empty:
                continue
            seen = of_heads["measured"].to_numpy()
            middle = seen.mean()
            if change == "again":
                seen = np.abs(seen) / np.sqrt(2)
                middle = np.sqrt((seen**2).mean())
            else:
                panel.scatter(
                    of_heads["true"].mean(), place, s=40, color="black", marker="|", linewidths=0.8
                )
            if len(seen) > 1:
                panel.scatter(seen, [place] * len(seen), s=6, color=style.GREY, linewidths=0)
            panel.scatter(middle, place, s=14, color=style.BLUE, linewidths=0, zorder=3)
        panel.set(title=title, xlabel="change, %; bar: true", yticks=places)
        panel.set_yticklabels(names.values())
    axes[-1].axvline(GOAL_CV, color=style.RED, linewidth=0.8, linestyle="--")
    axes[-1].set(xlabel="coefficient of variation, %; dashed: goal", xlim=(-0.3, None))
    style.save(figure, path, crop=False, vector=False)


def draw_real(table: pd.DataFrame, path: Path) -> None:
    """Head size by sex, share of grey matter by age and by head size, of real scans."""
    rows = table[table["atlas"] == "real"]
    wide = rows.pivot(index=["person", "age", "sex"], columns="measure", values="measured")
    wide = wide.reset_index()
    wide["icv"] /= 1000
    wide["share"] = 100 * wide["grey"] / wide["icv"] / 1000
    figure, (size, age, head) = style.canvas(
        1, 3, size=(style.PAGE, style.PAGE * 0.33), layout="constrained"
    )
    sexes = {"f": ("women", style.ORANGE), "m": ("men", style.BLUE)}
    for place, (key, (name, colour)) in enumerate(sexes.items()):
        part = wide[wide["sex"] == key]
        jitter = np.linspace(-0.15, 0.15, len(part))
        size.scatter(place + jitter, part["icv"], s=10, color=colour, linewidths=0)
        size.plot([place - 0.25, place + 0.25], [part["icv"].mean()] * 2, color="black")
        for panel, column in ((age, "age"), (head, "icv")):
            panel.scatter(part[column], part["share"], s=10, color=colour, label=name, linewidths=0)
    size.set(xticks=[0, 1], ylabel="head, ml", xlim=(-0.6, 1.6))
    size.set_xticklabels([f"{name}, n {(wide['sex'] == key).sum()}"
                          for key, (name, _) in sexes.items()])  # fmt: skip
    for panel, column, label in ((age, "age", "age, years"), (head, "icv", "head, ml")):
        slope, start = np.polyfit(wide[column], wide["share"], 1)
        ends = np.array([wide[column].min(), wide[column].max()])
        panel.plot(ends, start + slope * ends, color=style.GREY, zorder=0)
        r = np.corrcoef(wide[column], wide["share"])[0, 1]
        panel.set(xlabel=label, ylabel="grey matter, % of the head", title=f"r {r:+.2f}")
    age.legend(loc="best", handletextpad=0.1)
    style.save(figure, path, crop=False, vector=False)


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else TABLE
    table = pd.read_csv(source, sep="\t", dtype={"person": str})
    for atlas in (*ATLASES, "bare calls"):
        markdown(table, atlas)
    draw_heads(table, source.with_name("volumes-heads.png"))
    draw_differences(table, source.with_name("volumes-differences.png"))
    draw_loss(table, source.with_name("volumes-loss.png"))
    if (table["atlas"] == "real").any():
        draw_real(table, source.with_name("volumes-real.png"))


if __name__ == "__main__":
    main()
