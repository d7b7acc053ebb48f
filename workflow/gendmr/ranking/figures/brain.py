"""The risk of regions on the brain: a glass brain and slices over the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from gendmr import style
from gendmr.errors import AtlasError, first_few
from gendmr.files.seal import verify
from gendmr.files.tables import Kind, read_table
from gendmr.ranking.figures.labels import NORMAL_SCORE
from gendmr.ranking.figures.slices import MAP, PaintedVolume, cuts_through, write_ranks
from gendmr.ranking.figures.stability import region_names
from gendmr.ranking.significance import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 12  # regions by name
MUTED = 0.35  # opacity of what is not significant
PALE = "pale: family-wise p and q above 0.05"
FINE = 2  # mm; the template that comes with nilearn is thinned to this
BARS, ROW = 43.0, 3.6  # mm: left end of the bars, height of one
LOWER, KEY = 46.0, 13.0  # mm: slices and the key to their colours, the key alone
SLICE, SPACE = 30.0, 2.0  # mm: highest slice, from one to the next
DIRECTIONS = {
    "lower": (style.ORANGE, "v", "more risk with less volume"),
    "higher": (style.SKY, "^", "more risk with more volume"),
    "n/a": (style.GREY, "o", "no direction"),
}
SIGNS = {"lower": 1.0, "higher": -1.0, "n/a": 0.0}
PLACES: dict[str, Kind] = {"region": "text", "hemisphere": "text"}


@dataclass(frozen=True)
class Atlas:
    """Where regions are.

    Attributes
    ----------
    labels : Path
        NIfTI image of whole numbers, in the space of the template; 0 is no region.
    numbers : ndarray (regions,) of int
        The label of each region, in the order of the table that is drawn; 0 where it has none.
    """

    labels: Path
    numbers: np.ndarray


def read_atlas(folder: Path, regions: pd.DataFrame) -> Atlas:
    """Return the atlas that the stage `imaging` measured, for the regions of a ranking.

    Parameters
    ----------
    folder : Path
        `imaging/template`, whose `atlas.nii.gz` counts the rows of its `regions.tsv` from 1.
    regions : DataFrame
        `regions.tsv` of a ranking.

    Raises
    ------
    AtlasError
        A region of the ranking is not in the atlas.
    """
    table = read_table(folder / "regions.tsv", PLACES, extra=True)
    rows = zip(table["region"], table["hemisphere"], strict=True)
    label_of = {key: row for row, key in enumerate(rows, start=1)}
    keys = list(zip(regions["region"], regions["hemisphere"], strict=True))
    unknown = [name for name, side in keys if (name, side) not in label_of]
    if unknown:
        raise AtlasError(
            f"{folder}/regions.tsv lacks {len(unknown)} regions of the ranking:"
            f" {first_few(unknown)}",
            cause="the cohort was measured with another atlas",
            next_step="run the stages imaging, cohort and training again",
        )
    return Atlas(folder / "atlas.nii.gz", np.array([label_of[key] for key in keys], dtype=int))


def draw_brain(
    regions: pd.DataFrame,
    centroids: np.ndarray,
    path: Path,
    *,
    atlas: Atlas | None = None,
    template: Path | None = None,
    line: float | None = None,
) -> Figure:
    """Draw the risk of regions: the first ones by name, a glass brain, slices.

    What is shown is z, the normal score of the region's score under the permutation null, or the
    score where no null was run; its sign is the direction: towards red more risk goes with less
    volume, towards blue with more. Regions that are not significant are pale. Regions with z below
    0 carry less than under the null; they are left blank. With an atlas regions are
    painted, and slices go through the strongest of them, whose numbers are their ranks; without
    one there are marks at the centroids. Left is left.

    Parameters
    ----------
    regions : DataFrame
        `regions.tsv`.
    centroids : ndarray (region, 3)
        In the order of the table; mm in template space, axes to the right, front and top; NaN
        where the place of a region is not known.
    path : Path
        PNG to write, two columns wide; the SVG is written beside it.
    atlas : Atlas, optional
        Paint these regions.
    template : Path, optional
        T1-weighted template on whose slices they are painted; absent: that of nilearn
        (MNI152NLin2009aSym).
    line : float, optional
        z that the largest of all regions exceeds in 5 % of the permutations.

    Raises
    ------
    AtlasError
        Centroids or labels are not those of the table.
    """
    if regions.empty:
        return style.text_figure(
            "This method reads no regions: there is nothing to show on the brain.", path
        )
    counts = {len(centroids), len(regions), len(atlas.numbers) if atlas else len(regions)}
    if len(counts) > 1:
        raise AtlasError(
            f"{len(regions)} regions, {len(centroids)} centroids"
            + (f", {len(atlas.numbers)} labels" if atlas else ""),
            cause="files of two atlases",
        )
    tested = "z" in regions and bool(regions["z"].notna().any())
    height = (regions["z"] if tested else regions["score"]).to_numpy(dtype="float64")
    risk = np.clip(np.nan_to_num(height), 0, None)
    directions = regions["direction"].fillna("n/a").tolist()

    rows = min(len(regions), SHOWN)
    upper = 15 + ROW * max(rows, 7)
    page = _Page(upper + (LOWER if atlas else 0))
    bars = page.axes(BARS, page.height - 4 - ROW * rows, 26, ROW * rows)
    unit = NORMAL_SCORE if tested else "score (log odds)"
    opacity = np.where(_significant(regions), 1.0, MUTED) if tested else np.ones(len(regions))
    _draw_bars(bars, regions.head(rows), height[:rows], opacity, line if tested else None, unit)
    if (opacity < 1).any():
        unit += f"; {PALE}"
    glass = (BARS + 30, page.height - upper + 12, 175 - BARS - 32, upper - 17)
    if atlas is not None:
        signed = risk * np.array([SIGNS[direction] for direction in directions])
        _paint(page, atlas, template, centroids, signed, opacity, glass)
        _draw_key(page, float(np.abs(signed).max()) or 1.0, unit)
    elif np.isfinite(centroids).all(axis=1).any():
        _mark(page, centroids, risk, opacity, directions, glass)
    else:
        page.figure.text(0.68, 0.5, "The places of regions are not known.", ha="center")
    style.save(page.figure, path, crop=False)
    return page.figure


def _significant(regions: pd.DataFrame) -> np.ndarray:
    """Return which regions have a family-wise p or a q of at most 5 %."""
    absent = pd.Series(np.nan, index=regions.index)
    values = [regions.get(name, absent).astype("float64") for name in ("p_fwer", "q")]
    return np.asarray((values[0] <= LEVEL) | (values[1] <= LEVEL))


class _Page:
    """A figure two columns wide whose axes are placed in mm."""

    def __init__(self, height: float) -> None:
        self.height = height
        self.figure = Figure(figsize=(style.PAGE, height * style.MM))

    def place(
        self, left: float, bottom: float, width: float, height: float
    ) -> tuple[float, float, float, float]:
        return left / 175, bottom / self.height, width / 175, height / self.height

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(self.place(left, bottom, width, height))


def _draw_bars(
    axes: Axes,
    table: pd.DataFrame,
    height: np.ndarray,
    opacity: np.ndarray,
    line: float | None,
    unit: str,
) -> None:
    at = np.arange(len(table))
    shown = np.nan_to_num(height)
    for row, (value, direction) in enumerate(
        zip(shown, table["direction"].fillna("n/a"), strict=True)
    ):
        colour, marker, _ = DIRECTIONS[direction]
        axes.barh(row, value, color=colour, alpha=opacity[row], height=0.72)
        axes.plot([value], [row], marker=marker, ms=2.6, color="black", mew=0, clip_on=False)
    if line is not None and np.isfinite(line):
        axes.axvline(line, color="black", lw=0.7, ls=(0, (5, 3)))
        axes.text(line, -0.7, "5 % family-wise", size=style.SMALL, ha="center", va="bottom")
    names = [
        f"{name}  {rank:.0f}" for name, rank in zip(region_names(table), table["rank"], strict=True)
    ]
    axes.set_yticks(at, names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel(unit)
    axes.locator_params(axis="x", nbins=4)
    if shown.min() < 0:
        axes.axvline(0, color="black", lw=0.6)


def _mark(
    page: _Page,
    centroids: np.ndarray,
    size: np.ndarray,
    opacity: np.ndarray,
    directions: list[str],
    glass: tuple[float, float, float, float],
) -> None:
    from nilearn import plotting  # takes two seconds to import

    share = size / (size.max() or 1.0)
    brain = plotting.plot_glass_brain(
        None, display_mode="lyrz", figure=page.figure, axes=page.place(*glass), annotate=False
    )
    brain.annotate(size=style.SMALL)
    # Largest last, so that it is never hidden.
    for i in np.argsort(share, kind="stable"):
        if share[i] > 0 and np.isfinite(centroids[i]).all():
            colour, marker, _ = DIRECTIONS[directions[i]]
            brain.add_markers(
                [tuple(centroids[i])],
                marker_color=colour,
                marker_size=2 + 45 * share[i],
                marker=marker,
                alpha=0.8 * opacity[i],
                linewidths=0.3,
                edgecolors="black",
            )
    handles = [
        Line2D([], [], ls="", marker=marker, color=colour, mec="black", mew=0.3, ms=5, label=label)
        for direction, (colour, marker, label) in DIRECTIONS.items()
        if direction in directions
    ]
    page.figure.legend(
        handles=handles, loc="lower center", ncols=3, bbox_to_anchor=(0.68, 0), handletextpad=0.2
    )


def _paint(
    page: _Page,
    atlas: Atlas,
    template: Path | None,
    centroids: np.ndarray,
    signed: np.ndarray,
    opacity: np.ndarray,
    glass: tuple[float, float, float, float],
) -> None:
    from nilearn import plotting
    from nilearn.image import new_img_like

    background, labels = _images(atlas.labels, template)
    data = np.asarray(labels.dataobj).round().astype(int)
    values = np.zeros(max(int(data.max()), int(atlas.numbers.max())) + 1)
    values[atlas.numbers] = signed
    values[0] = 0.0
    opaque = np.ones(len(values))
    opaque[atlas.numbers] = opacity
    places = np.clip(data, 0, None)
    painted, opaque = values[places], opaque[places]
    top = float(np.abs(signed).max()) or 1.0
    brain = plotting.plot_glass_brain(
        None, display_mode="lyrz", figure=page.figure, axes=page.place(*glass), annotate=False,
        plot_abs=False,
    )  # fmt: skip
    for share in (MUTED, 1.0):
        part = np.where(opaque == share, painted, 0.0)
        # An image without any value has no bounds to be drawn in.
        if part.any():
            brain.add_overlay(
                new_img_like(labels, part.astype("float32")), cmap=MAP, vmin=-top, vmax=top,
                threshold=1e-6 * top, transparency=0.7 * share,
            )  # fmt: skip
    brain.annotate(size=style.SMALL)
    order = [i for i in np.argsort(-np.abs(signed), kind="stable") if signed[i]][:SHOWN]
    _draw_slices(
        page,
        PaintedVolume(
            np.asarray(background.dataobj, dtype="float32"), painted / top, labels.affine, opaque
        ),
        _centres(centroids, data, labels.affine, atlas.numbers),
        order,
    )


def _draw_key(page: _Page, top: float, unit: str) -> None:
    bar = page.axes(60, 8, 55, 2)
    scale = page.figure.colorbar(
        ScalarMappable(Normalize(-top, top), MAP), cax=bar, orientation="horizontal"
    )
    scale.outline.set_linewidth(0.4)
    bar.xaxis.set_major_formatter(lambda x, _: f"{abs(x):g}")
    bar.locator_params(axis="x", nbins=5)
    bar.set_xlabel(unit, labelpad=1)
    words: dict[str, Any] = {"va": "center", "transform": bar.transAxes}
    bar.text(-0.03, 0.5, "▲ more risk with more volume", ha="right", **words)
    bar.text(1.03, 0.5, "▼ more risk with less volume", **words)


def _images(labels: Path, template: Path | None) -> tuple[Any, Any]:
    """Return the template and the labels on its grid, axes to the right, front and top."""
    import nibabel
    from nilearn.datasets import load_mni152_template
    from nilearn.image import reorder_img, resample_to_img

    for path in (labels, template):
        if path is not None:
            verify(path)
    background = (
        load_mni152_template(resolution=FINE) if template is None else nibabel.load(template)
    )
    background = reorder_img(background, resample="continuous", copy_header=True)
    atlas = resample_to_img(
        nibabel.load(labels), background, interpolation="nearest",
        copy_header=True, force_resample=True,
    )  # fmt: skip
    return background, atlas


def _centres(
    centroids: np.ndarray, data: np.ndarray, affine: np.ndarray, numbers: np.ndarray
) -> np.ndarray:
    """Return centroids (region, 3) in mm; where one is not known, that of its voxels."""
    from scipy.ndimage import center_of_mass

    centres = np.array(centroids, dtype="float64")
    for i in np.flatnonzero(~np.isfinite(centres).all(axis=1)):
        if (data == numbers[i]).any() and numbers[i]:
            centres[i] = affine[:3, :3] @ center_of_mass(data == numbers[i]) + affine[:3, 3]
    return centres


def _draw_slices(
    page: _Page, volume: PaintedVolume, centres: np.ndarray, order: Sequence[int]
) -> None:
    """Draw coronal and axial slices through the strongest regions, left to right."""
    # The axis across, and the axes to the right and up.
    planes = ((1, 0, 2), (2, 0, 1))
    cuts = [(plane, place) for plane in planes for place in cuts_through(centres, order, plane[0])]
    if not cuts:
        page.figure.text(0.5, (KEY + 15) / page.height, "No region stands out.", ha="center")
        return
    highest = max(volume.width(plane[2]) for plane, _ in cuts)
    wide = sum(volume.width(plane[1]) for plane, _ in cuts)
    scale = min(SLICE / highest, (171 - SPACE * (len(cuts) - 1)) / wide)
    left = (175 - scale * wide - SPACE * (len(cuts) - 1)) / 2
    for number, (plane, place) in enumerate(cuts):
        across, x, y = plane
        axes = page.axes(left, KEY, scale * volume.width(x), scale * volume.width(y))
        volume.draw(axes, plane, place)
        axes.axis("off")
        millimetres = f"{round(place)} mm".replace("-", "−")
        axes.set_title(f"{'xyz'[across]} = {millimetres}", size=6, pad=2)
        if number == 0:
            for side, at in (("L", 0.02), ("R", 0.98)):
                axes.text(at, 0.04, side, transform=axes.transAxes, ha="center", size=style.SMALL)
        write_ranks(axes, centres, order, plane, place)
        left += scale * volume.width(x) + SPACE
