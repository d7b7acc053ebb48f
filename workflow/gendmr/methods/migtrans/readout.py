"""The gate of the image encoder: where in the brain it lets maps through, as a table and a picture.

A gate is no attribution: it says where maps count more, not what they add to the prediction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr import style
from gendmr.config.methods.migtrans import GATE_FILES
from gendmr.files.tables import write_table
from gendmr.methods.absent_figure import draw_absent
from gendmr.methods.fitted_network import FittedNetwork
from gendmr.methods.migtrans.network import GATE, SEED
from gendmr.preprocessing.prepared import PreparedSubset

TABLE, FIGURE = GATE_FILES
COLUMNS = ("x", "y", "z", "gate", "sd")
FINEST = 0.01  # range of a gate that colours tell apart
HEIGHT = 62 * style.MM
AXES = tuple(zip("xyz", "ijk", strict=True))


def leave_gate(
    fitted: FittedNetwork, name: str, grid: tuple[int, ...], folder: Path, people: PreparedSubset
) -> list[str]:
    """Write gate.tsv and gate.png of held-out people; return a sentence, nothing without a gate.

    Parameters
    ----------
    fitted : FittedNetwork
    name : str
        The modality whose instances are voxels.
    grid : tuple of int
        Voxels along x, y and z that the encoder reads.
    folder : Path
        Of the fold.
    people : PreparedSubset
    """
    gates, present = [], people.present[name]
    for outputs, _ in fitted.outputs(people, read_out=True):
        seeds = [
            value.detach().cpu().numpy()
            for key, value in outputs.items()
            if key.startswith(SEED) and key.endswith(f"{GATE}{name}")
        ]
        if seeds:
            gates.append(np.mean(seeds, axis=0))
    if not gates or not present.any():
        return []
    gate = np.concatenate(gates)[present].astype(np.float64)  # (person, x, y, z)
    instances = fitted.preparation.instances(name)
    table = gate_table(gate, [_centres(instances, axis, index, size, count)
                              for (axis, index), size, count in zip(AXES, grid, gate.shape[1:],
                                                                    strict=True)])  # fmt: skip
    write_table(folder / TABLE, table)
    draw_gate(table, folder / FIGURE)
    low, high = table["gate"].min(), table["gate"].max()
    start = f"The gate of {name} is {low:.3f} to {high:.3f} over {len(table)} positions"
    if high - low < FINEST:
        return [f"{start}: it lets everything through alike, and {FIGURE} tells no place apart."]
    first = table.sort_values("gate", ascending=False, kind="stable").iloc[0]
    return [
        f"{start} and varies between people by an SD of {table['sd'].mean():.3f}; it is widest at"
        f" {first['x']:.0f}, {first['y']:.0f}, {first['z']:.0f} mm: see {TABLE}."
    ]


def leave_no_gate(folder: Path) -> list[str]:
    """Write gate.tsv without rows, and a gate.png that says so; return a sentence."""
    write_table(folder / TABLE, pd.DataFrame(columns=list(COLUMNS)))
    draw_absent(folder / FIGURE, "no gate: no held-out person has a map")
    return [f"No held-out person has a map that a gate could let through: {TABLE} is empty."]


def _centres(instances: pd.DataFrame, axis: str, index: str, size: int, count: int) -> np.ndarray:
    """Return the centres (count,), mm, of equal parts of a grid along an axis."""
    slope, start = np.polyfit(instances[index].astype(float), instances[axis].astype(float), 1)
    return np.asarray(start + slope * ((np.arange(count) + 0.5) * size / count - 0.5))


def gate_table(gate: np.ndarray, centres: list[np.ndarray]) -> pd.DataFrame:
    """Return a row for each position: `x`, `y`, `z` (mm), mean `gate` and its `sd` over people.

    Parameters
    ----------
    gate : float64 (person, x, y, z)
        0 to 1.
    centres : list of float64 (position,)
        mm, along x, y and z.
    """
    places = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, 3)
    by_voxel = gate.reshape(len(gate), -1)
    return pd.DataFrame(
        {
            **{axis: places[:, number].round(2) for number, axis in enumerate("xyz")},
            "gate": by_voxel.mean(axis=0).round(6),
            "sd": by_voxel.std(axis=0).round(6),
        }
    )


def draw_gate(table: pd.DataFrame, path: Path) -> Any:
    """Draw the mean gate over slices of the template, between its positions interpolated.

    Parameters
    ----------
    table : DataFrame
        See `gate_table`.
    path : Path
        The PNG.
    """
    from nilearn import plotting  # takes two seconds to import
    from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
    from nilearn.image import new_img_like
    from scipy.interpolate import RegularGridInterpolator

    template = load_mni152_template(resolution=4)
    axes = [np.unique(table[axis]) for axis in "xyz"]
    gate = (
        table.sort_values(["x", "y", "z"])["gate"]
        .to_numpy()
        .reshape([len(positions) for positions in axes])
    )
    voxels = np.indices(template.shape).reshape(3, -1).T
    places = voxels @ template.affine[:3, :3].T + template.affine[:3, 3]
    # One position along an axis says the same everywhere along it.
    long = [number for number, positions in enumerate(axes) if len(positions) > 1]
    values = np.full(len(places), float(gate.mean()))
    if long:
        ends = [axes[number] for number in long]
        inside = np.column_stack(
            [np.clip(places[:, number], axes[number][0], axes[number][-1]) for number in long]
        )
        values = RegularGridInterpolator(ends, gate.squeeze())(inside)
    brain = np.asarray(load_mni152_brain_mask(resolution=4).dataobj) > 0
    volume = np.where(brain, values.reshape(template.shape), 0.0)
    figure, canvas = style.canvas(size=(style.PAGE, HEIGHT))
    canvas.axis("off")
    plotting.plot_stat_map(
        new_img_like(template, volume.astype(np.float32)),
        bg_img=template,
        display_mode="ortho",
        cut_coords=(0, -20, 10),
        figure=figure,
        axes=(0, 0, 1, 0.92),
        cmap="viridis",
        symmetric_cbar=False,
        threshold=1e-9,
        transparency=0.75,
        vmin=float(table["gate"].min()),
        vmax=max(float(table["gate"].max()), float(table["gate"].min()) + FINEST),
        annotate=True,
        draw_cross=False,
        black_bg=False,
    )
    figure.suptitle("gate of the image encoder, mean over held-out people", size=7.5)
    style.save(figure, path, crop=False, vector=False)
    return figure
