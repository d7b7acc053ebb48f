"""Rigid, affine and SyN registration of a scan to the template, and what it carries across."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from gendmr.config.imaging import LinearStage, NonlinearStage, Preset
from gendmr.files.atomic import atomic_path
from gendmr.imaging.ants_programs import run
from gendmr.imaging.jacobian import determinant
from gendmr.imaging.scan import Scan, read_image, thin, write_image
from gendmr.imaging.shading import without_shading

# ANTs and ITK count millimetres to the left and to the back; the affines of NIfTI do the opposite.
LPS = np.array([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Mapping:
    """The way between scan and template.

    `affine` and the fields are files of ANTs; `determinant` is that of the affine, template to
    scan: volume in the scan per volume in the template.
    """

    affine: Path
    warp: Path | None
    inverse: Path | None
    determinant: float

    def to_template(self, image: Path, grid: Path, output: Path) -> np.ndarray:
        """Bring an image of the scan's space onto the grid of a template image."""
        steps = ["-t", self.warp] if self.warp else []
        return _apply(image, grid, output, [*steps, "-t", self.affine])

    def to_scan(
        self,
        image: Path,
        grid: Path,
        output: Path,
        *,
        labels: bool = False,
        refinement: Path | None = None,
    ) -> np.ndarray:
        """Bring an image of the template's space onto the grid of a scan; labels stay whole.

        `refinement` is a displacement within the scan's space, as `write_field` writes it.
        """
        steps = ["-t", self.inverse] if self.inverse else []
        first = ["-t", refinement] if refinement else []
        way = [*first, "-t", f"[{self.affine},1]", *steps]
        return _apply(image, grid, output, way, "NearestNeighbor" if labels else "Linear")

    def jacobian(self, image: Path, grid: Path, output: Path) -> np.ndarray:
        """Volume in the scan per volume in the template, on the grid of a template image."""
        steps = ["-t", self.warp] if self.warp else []
        # The field of all steps together, for that of SyN alone may lie on a coarser grid.
        run(
            "antsApplyTransforms", "-d", 3, "-i", image, "-r", grid, "-o", f"[{output},1]",
            "--float", 1, *steps, "-t", self.affine,
        )  # fmt: skip
        field = nib.load(output)
        displacement = np.asarray(field.dataobj)[:, :, :, 0, :] * LPS
        return determinant(displacement, field.affine)


def _apply(
    image: Path, grid: Path, output: Path, steps: list[object], interpolation: str = "Linear"
) -> np.ndarray:
    run(
        "antsApplyTransforms", "-d", 3, "-i", image, "-r", grid, "-o", output,
        "-n", interpolation, "--float", 1, *steps,
    )  # fmt: skip
    return read_image(output).data


def correct_bias(image: Path, mask: Path, preset: Preset, output: Path) -> np.ndarray:
    """Remove the slow change of brightness over the scan (N4), fitted within `mask`."""
    bias = preset.bias
    zoom = float(read_image(image).zooms.mean())
    shrink = max(1, round(bias.voxel_mm / zoom))
    run(
        "N4BiasFieldCorrection", "-d", 3, "-i", image, "-x", mask, "-s", shrink,
        "-c", f"[{_levels(bias.iterations)},0.00001]", "-b", f"[{bias.spline_mm}]", "-o", output,
    )  # fmt: skip
    return read_image(output).data


def free_of_bias(scan: Scan, brain: np.ndarray, preset: Preset, folder: Path) -> np.ndarray:
    """Intensities within the brain, 1000 on average, without the slow change of brightness.

    Leaves `mask.nii` in the folder.
    """
    mask = write_scratch(folder / "mask.nii", brain.astype(np.float32), scan.affine)
    # N4 takes logarithms: the mean of the brain is set to 1000, whatever the scanner's unit.
    data = scan.data * (1000 / float(scan.data[brain].mean())) * brain
    raw = write_scratch(folder / "raw.nii", data.astype(np.float32), scan.affine)
    corrected = correct_bias(raw, mask, preset, folder / "corrected.nii")
    corrected = np.asarray(np.maximum(corrected, 0) * brain)
    if preset.bias.tissue_rounds == 0:
        return corrected
    return without_shading(Scan(corrected, scan.affine), brain, preset.bias.tissue_rounds)


def write_thinned(path: Path, data: np.ndarray, scan: Scan, preset: Preset) -> Path:
    """Write an image of a scan's grid for registration, thinned to the preset's size of voxel."""
    coarse = thin(Scan(data.astype(np.float32), scan.affine), preset.registration_mm)
    return write_scratch(path, coarse.data, coarse.affine)


def register_linear(
    fixed: Path, moving: Path, preset: Preset, folder: Path, *, seed: int
) -> Mapping:
    """Rigid, then affine registration, starting from the centres of mass."""
    prefix = folder / "linear"
    run(
        "antsRegistration", "-d", 3, "-r", f"[{fixed},{moving},1]",
        *_linear("Rigid", preset.rigid, fixed, moving),
        *_linear("Affine", preset.affine, fixed, moving),
        *_common(seed), "-o", prefix,
    )  # fmt: skip
    return _mapping(prefix, nonlinear=False)


def search_linear(
    fixed: Path,
    moving: Path,
    mask: Path,
    shifts: Sequence[np.ndarray],
    preset: Preset,
    folder: Path,
    *,
    seed: int,
) -> Mapping:
    """Rigid, then affine registration from several starts, with the metric inside `mask` only.

    Parameters
    ----------
    mask : Path
        On the grid of `fixed`.
    shifts : sequence of (3,)
        Translations from template to scan, mm, RAS+.

    Returns
    -------
    Mapping
        The one whose warped scan correlates best with the template within the mask.
    """
    template, inside = read_image(fixed).data, read_image(mask).data > 0.5
    candidates: list[tuple[float, Mapping]] = []
    for number, shift in enumerate(shifts):
        start = folder / f"start{number}.txt"
        start.write_text(_translation(shift), encoding="ascii")
        prefix = folder / f"search{number}"
        run(
            "antsRegistration", "-d", 3, "-r", start, "-x", f"[{mask},NA]",
            *_linear("Rigid", preset.rigid, fixed, moving),
            *_linear("Affine", preset.affine, fixed, moving),
            *_common(seed), "-o", prefix,
        )  # fmt: skip
        mapping = _mapping(prefix, nonlinear=False)
        warped = mapping.to_template(moving, fixed, folder / "searched.nii")
        candidates.append((correlation(warped, template, inside), mapping))
    return max(candidates, key=lambda pair: pair[0])[1]


def register_nonlinear(
    fixed: Path, moving: Path, start: Mapping, preset: Preset, folder: Path, *, seed: int
) -> Mapping:
    """SyN from an affine start."""
    prefix = folder / "nonlinear"
    run(
        "antsRegistration", "-d", 3, "-r", start.affine,
        *_nonlinear(preset.nonlinear, fixed, moving),
        *_common(seed), "-o", prefix,
    )  # fmt: skip
    return _mapping(prefix, nonlinear=True)


def correlation(one: np.ndarray, other: np.ndarray, mask: np.ndarray) -> float:
    """Pearson correlation of two images within a mask; 0 where one of them is constant."""
    a, b = one[mask] - one[mask].mean(), other[mask] - other[mask].mean()
    length = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / length if length > 0 else 0.0


def write_scratch(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    """Write a file for ANTs to read."""
    write_image(path, data, affine)
    return path


def write_field(path: Path, displacement: np.ndarray, affine: np.ndarray) -> Path:
    """Write a displacement, (i, j, k, 3) mm, RAS+, as a transform of ANTs."""
    image = nib.Nifti1Image((displacement * LPS)[:, :, :, None].astype(np.float32), affine)
    image.header.set_intent("vector")
    with atomic_path(path) as temporary:
        nib.save(image, temporary)
    return path


def _mapping(prefix: Path, *, nonlinear: bool) -> Mapping:
    affine = Path(f"{prefix}0GenericAffine.mat")
    matrix = _read_matrix(affine)
    return Mapping(
        affine=affine,
        warp=Path(f"{prefix}1Warp.nii.gz") if nonlinear else None,
        inverse=Path(f"{prefix}1InverseWarp.nii.gz") if nonlinear else None,
        determinant=float(abs(np.linalg.det(matrix))),
    )


def _read_matrix(path: Path) -> np.ndarray:
    # The first variable of a MATLAB 4 file: parameters, of which the first nine are the matrix.
    # Reading it here spares the import of scipy.io, a good part of a second.
    raw = path.read_bytes()
    kind, rows, columns, _, length = struct.unpack("<5i", raw[:20])
    dtype = "<f4" if kind // 10 % 10 else "<f8"
    values = np.frombuffer(raw, dtype=dtype, count=rows * columns, offset=20 + length)
    return values[:9].reshape(3, 3)


def _translation(shift: np.ndarray) -> str:
    moved = " ".join(f"{value:.6f}" for value in shift * LPS)
    return (
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        f"Parameters: 1 0 0 0 1 0 0 0 1 {moved}\nFixedParameters: 0 0 0\n"
    )


def _common(seed: int) -> list[object]:
    # ITK takes 32-bit seeds and reads 0 as the clock.
    return ["--random-seed", seed % (2**31 - 2) + 1, "--float", 1, "-u", 0, "-z", 1,
            "-w", "[0.005,0.995]"]  # fmt: skip


def _linear(kind: str, stage: LinearStage, fixed: Path, moving: Path) -> list[object]:
    return [
        "-t", f"{kind}[0.1]",
        "-m", f"MI[{fixed},{moving},1,32,Regular,{stage.sampling}]",
        "-c", f"[{_levels(stage.iterations)},1e-6,10]",
        "-f", _levels(stage.shrink), "-s", _levels(stage.smooth),
    ]  # fmt: skip


def _nonlinear(stage: NonlinearStage, fixed: Path, moving: Path) -> list[object]:
    return [
        "-t", f"SyN[{stage.step},{stage.flow_sigma},{stage.total_sigma}]",
        "-m", f"{stage.metric}[{fixed},{moving},1,{stage.sampling}]",
        "-c", f"[{_levels(stage.iterations)},1e-6,8]",
        "-f", _levels(stage.shrink), "-s", _levels(stage.smooth),
    ]  # fmt: skip


def _levels(values: tuple[int, ...] | tuple[float, ...]) -> str:
    return "x".join(f"{value:g}" for value in values)
