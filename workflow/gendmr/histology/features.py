"""Features of the patches of one slide, as they lie in HDF5 files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from gendmr.config.histology import HistologySection
from gendmr.errors import InputFileError, ModalityError, first_few
from gendmr.files.opening import DAMAGE, probe

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".npy", ".npz")
MOST_AGAIN = 0.1  # share of patches that are those of another row: beyond it two runs
LARGEST = 65504.0  # of a float16, in which bags are stored
STEP = ("patch_size_level0", "patch_size")  # attributes of coordinates: TRIDENT's, CLAM's


@dataclass(frozen=True)
class SlideFeatures:
    """Patches of a slide in raster order.

    Parameters
    ----------
    features : float32 (patch, feature)
    places : float64 (patch, 2), optional
        x and y in pixels; None where the file has none.
    source : int64 (patch,)
        Numbers of the patches in the file.
    step : float, optional
        Pixels from a patch to the next, where the file tells it.
    """

    features: np.ndarray
    places: np.ndarray | None
    source: np.ndarray
    step: float | None = None

    def __len__(self) -> int:
        return len(self.features)


def read_slide(path: str, section: HistologySection) -> SlideFeatures:
    """Read the features of one slide, row by row of the slide.

    Raises
    ------
    InputFileError
        The file is missing, damaged or no HDF5; Python objects are never unpickled.
    ModalityError
        It lacks an array, or holds what no features are: text, NaN, numbers beyond float16, another
        number of coordinates than of patches, a patch twice.
    """
    file = Path(path)
    if not file.is_file():
        raise InputFileError(
            f"{path}: no such file",
            cause="a slide that was not processed, or not fetched",
            next_step=f"check the path: ls -l {path}",
        )
    if not h5py.is_hdf5(file):
        pickled = file.suffix.lower() in PICKLES
        raise InputFileError(
            f"{path}: no HDF5 file",
            cause="features saved as Python objects, which could run code when they are read"
            if pickled
            else "the file is damaged, or of another form",
            next_step="use the .h5 files of the feature extractor",
        )
    probe(file)
    try:
        with h5py.File(file, "r") as stored:
            features = _array(stored, section.features, path)
            places, step = None, None
            if section.coordinates in stored:
                places = _array(stored, section.coordinates, path).astype(np.float64)
                step = _step(stored[section.coordinates])
    except ModalityError:
        raise
    except DAMAGE as error:
        raise InputFileError(
            f"{path}: not readable as HDF5 ({error})",
            cause="the file is damaged or cut",
            next_step="make the features of this slide again, or name it in `histology: exclude:`",
        ) from error
    if places is None and section.order == "grid":
        raise ModalityError(
            f"{path}: no array {section.coordinates!r}, which `order: grid` needs",
            next_step="set `histology: coordinates:`, or `order: raster`",
        )
    _refuse(features, places, path)
    order = np.arange(len(features))
    if places is not None and len(places):
        order = np.lexsort((places[:, 0], places[:, 1]))
        places = places[order]
    return SlideFeatures(features[order].astype(np.float32), places, order, step)


def _array(stored: h5py.File, name: str, path: str) -> np.ndarray:
    if name not in stored or not isinstance(stored[name], h5py.Dataset):
        raise ModalityError(
            f"{path}: no array {name!r}; there are {first_few(stored) or 'none'}",
            cause="another feature extractor",
            next_step="set `histology: features:` and `coordinates:` to the names in the file",
        )
    data = stored[name]
    if data.dtype.kind not in "fiu":
        raise ModalityError(f"{path}: {name} holds {data.dtype}, not numbers")
    values = np.asarray(data[:])
    values = values[0] if values.ndim == 3 and len(values) == 1 else values
    if values.ndim != 2:
        raise ModalityError(
            f"{path}: {name} has the shape {values.shape}, not patches x features",
            next_step="set `histology: features:` and `coordinates:` to the names in the file",
        )
    return values


def _step(data: h5py.Dataset) -> float | None:
    for name in STEP:
        if name in data.attrs:
            value = float(np.ravel(data.attrs[name])[0])
            if value > 0:
                return value
    return None


def _refuse(features: np.ndarray, places: np.ndarray | None, path: str) -> None:
    unknown = int((~np.isfinite(features)).sum())
    if unknown:
        raise ModalityError(
            f"{path}: {unknown} of {features.size} features are NaN or infinite",
            cause="a feature extractor that failed, or numbers beyond its precision",
            next_step="make the features of this slide again",
        )
    largest = float(np.abs(features).max(initial=0.0))
    if largest > LARGEST:
        raise ModalityError(
            f"{path}: a feature of {largest:g}, beyond {LARGEST:g}",
            cause="no features of a network, or a damaged file",
            next_step="make the features of this slide again",
        )
    if places is None:
        return
    if places.shape != (len(features), 2):
        raise ModalityError(
            f"{path}: coordinates of shape {places.shape} for {len(features)} patches",
            cause="another array, or features and coordinates of two runs",
            next_step="make the features of this slide again, or set `histology: coordinates:`",
        )
    # Detectors of nuclei name one twice now and then; a second run repeats most of the patches.
    _, first, number, counts = np.unique(
        places, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    shared = np.flatnonzero(counts[number.ravel()] > 1)
    again = shared[first[number.ravel()[shared]] != shared]
    identical = (features[again] == features[first[number.ravel()[again]]]).all(axis=1)
    if identical.sum() > MOST_AGAIN * len(places):
        raise ModalityError(
            f"{path}: {int(identical.sum())} patches stand twice at one place",
            cause="features that were appended to those of an earlier run",
            next_step="make the features of this slide again",
        )
