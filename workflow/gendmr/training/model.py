"""The model of a fold as one file that needs no other: what people of another cohort are given to.

`model.safetensors` holds the weights of the method, what was fitted before it (`preparation.*`),
terms of sums (`terms.*`) and `state.*`, and in the entry `gendmr` of its header, as JSON, all that
is no array: names, alleles and positions of what is read, options, versions, calibration, and
checksums of the identifiers of training people. It holds no measurement of a person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gendmr import __version__
from gendmr.cohort.view import FoldView
from gendmr.errors import InputFileError, ModelError
from gendmr.files.atomic import atomic_path
from gendmr.files.portable import Packed, unpack
from gendmr.files.provenance import versions
from gendmr.methods.base import Fitted
from gendmr.preprocessing.preparation import Preparation

ENTRY = "gendmr"
DIGITS = 20  # of a checksum of an identifier: 80 bits, no two people share them by chance


@dataclass(frozen=True)
class FoldModel:
    """The model of one fold.

    Parameters
    ----------
    path : Path
    method, kind : str
        Name of the method in its study, and its kind.
    repeat, fold : int
    fitted : Fitted
    preparation : Preparation
    calibration : mapping
        See `Task.calibrate`.
    attributes : mapping of str to mapping of str to str
        Attributes of the training cohort's file of each modality: genome build, units.
    covariate_kinds : mapping of str to str
        `number` or `category`, by covariate that is read.
    known : frozenset of str
        `checksum_of` the people who were trained or validated on.
    versions : mapping of str to str
    """

    path: Path
    method: str
    kind: str
    repeat: int
    fold: int
    fitted: Fitted
    preparation: Preparation
    calibration: Mapping[str, Any]
    attributes: Mapping[str, Mapping[str, str]]
    covariate_kinds: Mapping[str, str]
    known: frozenset[str]
    versions: Mapping[str, str]


def checksum_of(participant: str) -> str:
    """Return what a model holds of the identifier of a person.

    Identifiers that can be guessed can be tested: it is no secret who they are of.
    """
    return hashlib.sha256(participant.encode()).hexdigest()[:DIGITS]


def write_model(
    path: Path,
    fitted: Fitted,
    preparation: Preparation,
    view: FoldView,
    *,
    method: str,
    calibration: Mapping[str, Any],
) -> None:
    """Write the model of a fold.

    Parameters
    ----------
    path : Path
        `model.safetensors`.
    fitted : Fitted
    preparation : Preparation
    view : FoldView
        Of the fold.
    method : str
        Its name in the study.
    calibration : mapping
    """
    from safetensors.numpy import save

    prepared = {f"preparation.{name}": value for name, value in preparation.tensors().items()}
    terms = {f"terms.{name}": value for name, value in fitted.terms.items()}
    packed = Packed({**fitted.weights, **prepared, **terms})
    options = preparation.options
    header = {
        "version": __version__,
        "versions": versions(*fitted.packages),
        "method": method,
        "kind": options.method.kind,
        "outcome": options.outcome,
        "repeat": view.repeat,
        "fold": view.fold,
        "calibration": packed.pack(dict(calibration)),
        "attributes": {name: reader.attributes for name, reader in view.train.readers.items()},
        "covariate_kinds": {name: view.covariate_kinds[name] for name in _covariates(preparation)},
        "known": sorted(map(checksum_of, _people(view))),
        "fitted": packed.pack(fitted),
    }
    arrays = {name: packed.arrays[name] for name in sorted(packed.arrays)}
    text = json.dumps(header, sort_keys=True, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(arrays, metadata={ENTRY: text}))


def read_model(path: Path) -> FoldModel:
    """Read the model of a fold.

    Raises
    ------
    InputFileError
        The file is missing or damaged.
    ModelError
        It is of another version of GenDMR.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputFileError(
            f"{path}: no such file", next_step="name results/<study> or a model.safetensors"
        )
    try:
        with safe_open(path, framework="numpy") as stored:
            text = (stored.metadata() or {}).get(ENTRY, "")
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputFileError(
            f"{path}: not readable ({error})", cause="a file that was cut off, or of another kind"
        ) from error
    header = json.loads(text) if text else {}
    version = str(header.get("version", "before 0.3"))
    if _series(version) != _series(__version__):
        raise ModelError(
            f"{path}: a model of GenDMR {version}, and this is {__version__}",
            cause="the study was trained with another version, and what is computed may differ",
            next_step="predict with the version that trained, or train the study again with this"
            " one",
        )
    try:
        fitted = unpack(header["fitted"], arrays)
        preparation = fitted.preparation
        calibration = unpack(header["calibration"], arrays)
    except (ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ModelError(
            f"{path}: a model of GenDMR {version} that cannot be put together"
            f" ({type(error).__name__}: {error})",
            cause="the code has changed since, or the file was edited",
            next_step="train the study again with this version",
        ) from error
    return FoldModel(
        path=path,
        method=header["method"],
        kind=header["kind"],
        repeat=header["repeat"],
        fold=header["fold"],
        fitted=fitted,
        preparation=preparation,
        calibration=calibration,
        attributes=header["attributes"],
        covariate_kinds=header["covariate_kinds"],
        known=frozenset(header["known"]),
        versions=header["versions"],
    )


def _series(version: str) -> tuple[str, ...]:
    """Return the first two numbers: what models of one series hold is the same."""
    return tuple(version.split(".")[:2])


def _people(view: FoldView) -> Iterable[str]:
    return [*view.train.participants, *view.validation.participants]


def _covariates(preparation: Preparation) -> list[str]:
    """Return the covariates that are read, sorted."""
    options = preparation.options
    of_modalities = [
        name for section in options.modalities.values() for name in section.named_covariates()
    ]
    return sorted({*options.covariates, *of_modalities})
