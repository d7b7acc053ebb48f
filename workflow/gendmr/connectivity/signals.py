"""One person's preprocessed image: signals of the regions of an atlas, cleaned by nilearn."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gendmr.config.connectivity import FmriprepSection
from gendmr.connectivity.fmriprep import BoldFiles
from gendmr.errors import AtlasError, GendmrError, InputFileError, ModalityError
from gendmr.files.atomic import write_json
from gendmr.files.tables import write_table

DISPLACEMENT = "framewise_displacement"
FASTEST, SLOWEST = 0.1, 20.0  # s: repetition times beyond which the header says another unit


def extract_signals(files: BoldFiles, label: str, section: FmriprepSection, output: Path) -> None:
    """Write signals.tsv, a row per volume that counts and a column per region, and scan.json.

    Signals are in per cent of a region's mean, so that scanners with other units have the same
    amplitudes. A scan that cannot be used leaves a table without rows, and the reason in scan.json:
    it is one person's trouble.

    Parameters
    ----------
    files : BoldFiles
    label : str
        Participant.
    section : FmriprepSection
    output : Path
        Folder of this person.

    Raises
    ------
    AtlasError, InputFileError
        The atlas cannot be read, which is everybody's trouble.
    """
    names, atlas = read_atlas(section.atlas)
    scan: dict[str, Any] = {"participant": label, "volumes": 0, "censored": 0, "motion": None}
    values = np.zeros((0, len(names)))
    try:
        values, scan_summary = _signals(files, atlas, section)
        scan |= scan_summary
    except GendmrError as error:
        scan["refused"] = {"what": error.what, "cause": error.cause, "next": error.next_step}
    write_table(output / "signals.tsv", pd.DataFrame(values, columns=names))
    write_json(output / "scan.json", scan)


def read_atlas(path: str) -> tuple[list[str], Any]:
    """Return names of regions in the order of their numbers, and the image.

    Returns
    -------
    names : list of str
        `region12` of label 12, or `component3` of the third map.
    atlas : nibabel image
        Labels (3-D, whole numbers, 0 outside), or maps (4-D).

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    AtlasError
        Neither labels nor maps.
    """
    import nibabel as nib

    if not Path(path).is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="the path `connectivity: fmriprep: atlas:` is wrong",
            next_step=f"check the path: ls -l {path}",
        )
    try:
        atlas: Any = nib.load(path)
        values = np.asarray(atlas.dataobj)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise InputFileError(
            f"{path}: not a readable NIfTI ({error})",
            cause="a damaged download, or an atlas in another format",
            next_step=f"check the file: file {path}",
        ) from error
    if values.ndim == 4 and values.shape[3] > 1:
        return [f"component{number}" for number in range(1, values.shape[3] + 1)], atlas
    values = values.reshape(values.shape[:3])
    labels = np.unique(values)
    labels = labels[labels != 0]
    if len(labels) < 2 or not np.array_equal(labels, labels.round()) or labels[0] < 0:
        raise AtlasError(
            f"{path}: {len(labels)} values other than 0, from {labels[:1]} to {labels[-1:]}: not"
            " the labels of an atlas",
            cause="a probability map, a brain mask, or a template",
            next_step="give an image of labels (3-D, whole numbers), or maps (4-D)",
        )
    return [f"region{int(label)}" for label in labels], nib.Nifti1Image(values, atlas.affine)


def _signals(
    files: BoldFiles, atlas: Any, section: FmriprepSection
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return cleaned signals (volume, region), NaN where a region is missing; and of the scan."""
    from nilearn.signal import clean

    bold, repetition = _read_bold(files.bold, section)
    confounds, sample, displacement = _confounds(files, section, bold.shape[3])
    brain, masked = _brain(bold, files.mask)
    raw, share = _regional_means(bold, atlas, brain)
    missing = (share < section.covered) | ~np.isfinite(raw).all(axis=0) | (raw.mean(axis=0) <= 0)
    if missing.sum() > len(missing) - 2:
        raise ModalityError(
            f"{files.bold}: {int(missing.sum())} of {len(missing)} regions of {section.atlas} lie"
            " outside of the brain",
            cause="an atlas in another space than the images",
            next_step="give an atlas in the space that the name of the image says",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of nilearn's versions to come
        cleaned = clean(
            raw[:, ~missing],
            confounds=confounds,
            sample_mask=sample,
            detrend=True,
            standardize="psc",
            low_pass=section.low_pass,
            t_r=repetition,
        )
    values = np.full((len(cleaned), len(missing)), np.nan)
    values[:, ~missing] = cleaned
    scan_summary = {
        "volumes": len(values),
        "censored": bold.shape[3] - len(values),
        "motion": displacement if np.isfinite(displacement) else None,
        "missing": int(missing.sum()),
        "mask": masked,
        "confounds": list(confounds.columns),
    }
    return values, scan_summary


def _read_bold(path: Path, section: FmriprepSection) -> tuple[Any, float | None]:
    """Return the image and its repetition time (s), which only a filter needs."""
    import nibabel as nib

    try:
        bold: Any = nib.load(path)
        bold.get_fdata(dtype=np.float32)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise InputFileError(
            f"{path}: not a readable NIfTI ({error})",
            cause="a damaged copy, or a link whose target was not fetched",
            next_step=f"copy it again, and check it: gzip -t {path}",
        ) from error
    if bold.ndim != 4:
        raise ModalityError(
            f"{path}: {bold.ndim} dimensions, not 4",
            cause="a single volume",
            next_step="list the person in `connectivity: exclude:`",
        )
    unit = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}.get(bold.header.get_xyzt_units()[1], 1.0)
    repetition = float(bold.header.get_zooms()[3]) * unit
    if section.low_pass is None:
        return bold, None
    if not FASTEST <= repetition <= SLOWEST:
        raise ModalityError(
            f"{path}: a repetition time of {repetition:g} s in the header",
            cause="a header whose fourth voxel size was lost",
            next_step="leave `connectivity: fmriprep: low_pass:` out, or mend the header with"
            " nibabel",
        )
    if section.low_pass >= 0.5 / repetition:
        raise ModalityError(
            f"{path}: a repetition time of {repetition:g} s holds no frequency above"
            f" {0.5 / repetition:g} Hz, and low_pass is {section.low_pass:g}",
            cause="a slow scan, or a frequency that is not in Hz",
            next_step="lower `connectivity: fmriprep: low_pass:`",
        )
    return bold, repetition


def _confounds(
    files: BoldFiles, section: FmriprepSection, volumes: int
) -> tuple[pd.DataFrame, np.ndarray | None, float]:
    """Return the confounds of the strategy, volumes that count, mean displacement (mm)."""
    from nilearn.interfaces.fmriprep import load_confounds_strategy

    options = {}
    if section.denoise == "scrubbing":
        options["fd_threshold"] = section.displacement
    try:
        table = pd.read_csv(files.confounds, sep="\t", na_values="n/a")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            confounds, sample = load_confounds_strategy(
                str(files.bold), denoise_strategy=section.denoise, **options
            )
    except (OSError, ValueError, KeyError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputFileError(
            f"{files.confounds}: no confounds for the strategy {section.denoise} ({why})",
            cause="a table that fMRIPrep did not write, or whose .json is missing",
            next_step="copy both files beside the image, or choose another"
            " `connectivity: fmriprep: denoise:`",
        ) from error
    if len(table) != volumes:
        raise ModalityError(
            f"{files.confounds}: {len(table)} rows, the image has {volumes} volumes",
            cause="confounds of another run, or an image that was cut afterwards",
            next_step="copy image and confounds from one run of fMRIPrep",
        )
    if sample is not None and len(sample) < 3:
        raise ModalityError(
            f"{files.bold}: {len(sample)} of {volumes} volumes are left after censoring",
            cause="a person who moved all the time",
            next_step="raise `connectivity: fmriprep: displacement:`, or exclude the person",
        )
    displacement = float("nan")
    if DISPLACEMENT in table:
        displacement = round(float(pd.to_numeric(table[DISPLACEMENT], errors="coerce").mean()), 4)
    return confounds, sample, displacement


def _brain(bold: Any, mask: Path) -> tuple[np.ndarray, bool]:
    """Return which voxels are brain, bool (x, y, z), and whether a mask says so.

    Without a mask on the grid of the image, voxels whose signal is not 0 count.
    """
    import nibabel as nib

    signal = (bold.get_fdata(dtype=np.float32) != 0).any(axis=3)
    if not mask.is_file():
        return signal, False
    mask_image: Any = nib.load(mask)
    if mask_image.shape != signal.shape or not np.allclose(
        mask_image.affine, bold.affine, atol=1e-3
    ):
        return signal, False
    return signal & (np.asarray(mask_image.dataobj) > 0), True


def _regional_means(bold: Any, atlas: Any, brain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return signals (volume, region) and the share of each region that lies in the brain.

    Parameters
    ----------
    bold : nibabel image (x, y, z, volume)
    atlas : nibabel image
        Labels (x, y, z) or maps (x, y, z, component).
    brain : bool (x, y, z)

    Returns
    -------
    signals : float64 (volume, region)
        Means over voxels in the brain, or of maps by least squares; NaN where there are none.
    share : float64 (region,)
    """
    from nilearn.image import resample_to_img

    labelled = atlas.ndim == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onto = resample_to_img(
            atlas,
            bold.slicer[..., 0],
            interpolation="nearest" if labelled else "continuous",
            force_resample=True,
            copy_header=True,
        )
    data = bold.get_fdata(dtype=np.float32)[brain]  # voxel, volume
    placed = np.asarray(onto.dataobj)
    if not labelled:
        maps = placed[brain].astype(np.float64)  # voxel, component
        weight = np.abs(placed).sum(axis=(0, 1, 2))
        share = np.divide(np.abs(maps).sum(axis=0), weight, where=weight > 0, out=weight * 0.0)
        return np.linalg.lstsq(maps, data, rcond=None)[0].T, share
    labels = [label for label in np.unique(np.asarray(atlas.dataobj)) if label != 0]
    signals, share = np.full((data.shape[1], len(labels)), np.nan), np.zeros(len(labels))
    inside = placed[brain]
    for place, label in enumerate(labels):
        voxels = inside == label
        if voxels.any():
            signals[:, place] = data[voxels].mean(axis=0, dtype=np.float64)
            share[place] = voxels.sum() / (placed == label).sum()
    return signals, share
