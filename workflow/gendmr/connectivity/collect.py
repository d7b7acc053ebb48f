"""All scans of a study: correlations, amplitudes, a quality table, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from gendmr.config.connectivity import ConnectivitySection, FmriprepSection
from gendmr.connectivity.arrays import read_array, read_cohort_arrays
from gendmr.connectivity.components import RegionTable, components_of
from gendmr.connectivity.matrices import notes_of_order, vector_of
from gendmr.connectivity.people import find_people, label_of
from gendmr.connectivity.scan import MEASURED, REFUSED, FunctionalScan, judged, measure_signals
from gendmr.errors import GendmrError, ModalityError, first_few
from gendmr.files.atomic import read_json, write_json
from gendmr.files.connectivity import AMPLITUDES, EDGES
from gendmr.files.datasets import write_dataset
from gendmr.files.provenance import versions
from gendmr.files.tables import write_table
from gendmr.statistics.connectivity import regions_of

MOST_REFUSED = 0.5  # share of scans from which on the cause is no single scan
ALIKE = 0.99  # correlation of two people's connectomes: one person, or one file, twice
SIGNALS = "signals"  # folder of what was read out of preprocessed images
FAR = 4.0  # robust z of a scan's mean correlation or motion at which it is flagged


def collect_connectivity(section: ConnectivitySection, output: Path | str) -> None:
    """Write edges.nc, amplitudes.nc (of signals), quality.tsv, regions.tsv, summary.json, figures.

    Parameters
    ----------
    section : ConnectivitySection
    output : Path or str
        The stage's folder.

    Raises
    ------
    ModalityError
        Nobody can be used, or data of people differ in their regions.
    GendmrError
        Most scans were refused: the reason of the first.
    """
    output = Path(output)
    scans = list(_scans(section, output / SIGNALS))
    refused = [scan for scan in scans if scan.status == REFUSED]
    if len(refused) > MOST_REFUSED * len(scans) and refused[0].error is not None:
        raise refused[0].error
    measured = [scan for scan in scans if scan.status == MEASURED]
    if not measured:
        raise ModalityError(
            f"none of {len(scans)} scans can be used: {first_few(scan.reason for scan in scans)}",
            cause="limits that nobody meets, or series that lie transposed (regions x volumes)",
            next_step="change `connectivity: minimum_volumes:` or the other limits, or give series"
            " as volumes x regions",
        )
    counts = sorted({scan.regions for scan in measured})
    if len(counts) > 1:
        deviating = [scan for scan in measured if scan.regions != measured[0].regions]
        raise ModalityError(
            f"data of people differ in their number of regions ({first_few(counts)}):"
            f" {first_few(scan.participant for scan in deviating)} differ from"
            f" {measured[0].participant!r}",
            cause="data that lie transposed (regions x volumes), or several atlases",
            next_step="give time series of all people as volumes x regions of one atlas",
        )
    components = components_of(section.components, measured[0].names, counts[0])
    correlation = np.stack([scan.correlation for scan in measured if scan.correlation is not None])
    quality = quality_table(scans)
    write_dataset(output / "edges.nc", _edges(measured, components), EDGES)
    if section.has_signals:
        write_dataset(output / "amplitudes.nc", _amplitudes(measured, components), AMPLITUDES)
    write_table(output / "quality.tsv", quality)
    write_table(output / "regions.tsv", components.table)
    notes = [*components.notes, *_notes(section, quality)]
    if section.matrices is not None:
        notes += notes_of_order(correlation, components)
    if section.fmriprep is not None:
        notes += _notes_of_cleaning(section.fmriprep, measured, output / SIGNALS)
    write_json(
        output / "summary.json",
        {
            "people": len(scans),
            "measured": len(measured),
            "regions": counts[0],
            "notes": notes,
            "versions": versions("numpy", "nilearn", "nibabel"),
        },
    )
    from gendmr.connectivity.figures import draw_connectome, draw_people

    draw_connectome(correlation, components, output / "figures" / "connectome.png")
    draw_people(measured, output / "pictures")


def _scans(section: ConnectivitySection, extracted: Path) -> Iterator[FunctionalScan]:
    people = find_people(section)
    if people is None:
        yield from _of_cohort(section)
        return
    for label, person in people.items():
        scan = FunctionalScan(label, motion=person.motion)
        if label in section.exclude:
            # Not read: a damaged file is a reason to exclude its person.
            yield judged(scan, section)
            continue
        if section.fmriprep is not None:
            yield _extracted(label, section, extracted / label)
            continue
        try:
            table = read_array(person.files[0], section.variable)
            scan.names = table.names
            if section.has_signals:
                yield measure_signals(scan, table.values, section)
                continue
            yield _scan_of_matrix(scan, table.values, section, person.files[0])
        except GendmrError as error:
            yield _refused(scan, error)


def _extracted(label: str, section: ConnectivitySection, folder: Path) -> FunctionalScan:
    """Return the scan of signals that were read out of a preprocessed image, or why not."""
    scan_summary = read_json(folder / "scan.json")
    motion = float("nan") if scan_summary["motion"] is None else float(scan_summary["motion"])
    scan = FunctionalScan(label, motion=motion, censored=int(scan_summary["censored"]))
    if "refused" in scan_summary:
        why = scan_summary["refused"]
        return _refused(scan, ModalityError(why["what"], cause=why["cause"], next_step=why["next"]))
    table = read_array(folder / "signals.tsv")
    scan.names = table.names
    try:
        return measure_signals(scan, table.values, section)
    except GendmrError as error:
        return _refused(scan, error)


def _of_cohort(section: ConnectivitySection) -> Iterator[FunctionalScan]:
    """Give the scans of an archive: `participant`, one array, and perhaps `motion`, `volumes`."""
    path = str(section.series or section.matrices)
    arrays = read_cohort_arrays(path)
    if "participant" not in arrays:
        raise ModalityError(
            f"{path}: no array `participant`; there are {first_few(arrays)}",
            next_step="store the labels of the people under `participant`",
        )
    labels = [label_of(str(name)) for name in arrays["participant"]]
    dimensions = 3 if section.has_signals else 2
    fitting = [
        name
        for name, value in arrays.items()
        if value.dtype.kind == "f" and value.ndim == dimensions and len(value) == len(labels)
    ]
    name = section.variable or (fitting[0] if len(fitting) == 1 else "")
    if name not in fitting:
        raise ModalityError(
            f"{path}: {name or 'no single array'!r} is no array of {len(labels)} people with"
            f" {dimensions} dimensions; there are {first_few(fitting or arrays)}",
            next_step="name one in `connectivity: variable:`",
        )
    motion = arrays.get("motion", np.full(len(labels), np.nan))
    volumes = arrays.get("volumes", np.full(len(labels), -1))
    for row, label in enumerate(labels):
        scan = FunctionalScan(label, motion=float(motion[row]), volumes=int(volumes[row]))
        if label in section.exclude:
            yield judged(scan, section)
            continue
        try:
            values = arrays[name][row].astype(np.float64)
            if section.has_signals:
                yield measure_signals(scan, values, section)
            else:
                yield _scan_of_matrix(scan, values[None, :], section, f"{path}, {label}")
        except GendmrError as error:
            yield _refused(scan, error)


def _scan_of_matrix(
    scan: FunctionalScan, values: np.ndarray, section: ConnectivitySection, where: str
) -> FunctionalScan:
    scan.correlation = vector_of(values, section, where)
    regions = regions_of(len(scan.correlation))
    rows, columns = np.triu_indices(regions, 1)
    has_value = np.zeros(regions, dtype=bool)
    finite = np.isfinite(scan.correlation)
    has_value[rows[finite]] = has_value[columns[finite]] = True
    scan.constant = int((~has_value).sum())
    return judged(scan, section)


def _refused(scan: FunctionalScan, error: GendmrError) -> FunctionalScan:
    return FunctionalScan(scan.participant, REFUSED, error.what, motion=scan.motion, error=error)


def quality_table(scans: list[FunctionalScan]) -> pd.DataFrame:
    """Return one row per person: status and reason, length, motion, regions without signal.

    Flagged are people whose mean correlation or motion lies far from the others', and those whose
    connectome is that of somebody else.
    """
    table = pd.DataFrame(
        {
            "participant_id": [scan.participant for scan in scans],
            "status": [scan.status for scan in scans],
            "volumes": [scan.volumes for scan in scans],
            "censored": [scan.censored for scan in scans],
            "motion": [scan.motion for scan in scans],
            "constant": [scan.constant for scan in scans],
            "mean_correlation": [
                np.nan
                if scan.correlation is None or not np.isfinite(scan.correlation).any()
                else round(float(np.nanmean(scan.correlation)), 5)
                for scan in scans
            ],
            "reason": [scan.reason for scan in scans],
        }
    )
    reasons: list[list[str]] = [[] for _ in scans]
    for column in ("mean_correlation", "motion"):
        values = table[column].where(table["status"] == MEASURED)
        middle = values.median()
        spread = 1.4826 * (values - middle).abs().median()
        if spread > 0:
            for row in np.flatnonzero((values - middle).abs() > FAR * spread):
                reasons[row].append(f"{column.replace('_', ' ')} far from that of the others")
    measured = np.flatnonzero(table["status"] == MEASURED)
    vectors = [scans[row].correlation for row in measured]
    if (
        len(vectors) > 1
        and len({None if vector is None else len(vector) for vector in vectors}) == 1
    ):
        filled = np.nan_to_num(np.stack([vector for vector in vectors if vector is not None]))
        is_copy = np.triu(np.corrcoef(filled), 1) > ALIKE
        for first, second in np.argwhere(is_copy):
            reasons[measured[second]].append(
                f"same connectome as {table['participant_id'][measured[first]]}"
            )
    table.insert(2, "outlier", [bool(flags) for flags in reasons])
    table["reason"] = [
        "; ".join(filter(None, [reason, *flags]))
        for reason, flags in zip(table["reason"], reasons, strict=True)
    ]
    return table


def _edges(scans: list[FunctionalScan], components: RegionTable) -> xr.Dataset:
    rows, columns = np.triu_indices(len(components), 1)
    table = components.table
    names = np.array(components.names, dtype=object)
    places = {
        f"{end}_{axis}": ("edge", table[axis].to_numpy(dtype=np.float64)[index])
        for end, index in (("first", rows), ("second", columns))
        for axis in "xyz"
    }
    domain = table["domain"].to_numpy(dtype=object)
    correlation = np.stack([scan.correlation for scan in scans if scan.correlation is not None])
    return xr.Dataset(
        {
            "correlation": (("participant", "edge"), correlation.astype(np.float32)),
            **_of_people(scans),
        },
        coords={
            "participant": np.array([scan.participant for scan in scans], dtype=object),
            "edge": names[rows] + " ~ " + names[columns],
            "first": ("edge", names[rows]),
            "second": ("edge", names[columns]),
            "first_domain": ("edge", domain[rows]),
            "second_domain": ("edge", domain[columns]),
            **places,
        },
    )  # fmt: skip


def _amplitudes(scans: list[FunctionalScan], components: RegionTable) -> xr.Dataset:
    return xr.Dataset(
        {
            "log_sd": (
                ("participant", "amplitude"),
                np.stack([scan.log_sd for scan in scans if scan.log_sd is not None]),
            ),
            **_of_people(scans),
        },
        coords={
            "participant": np.array([scan.participant for scan in scans], dtype=object),
            "amplitude": np.array(components.names, dtype=object),
            "domain": ("amplitude", components.table["domain"].to_numpy(dtype=object)),
        },
    )


def _of_people(scans: list[FunctionalScan]) -> dict[str, tuple[str, np.ndarray]]:
    return {
        "volumes": ("participant", np.array([scan.volumes for scan in scans], dtype=np.int64)),
        "motion": ("participant", np.array([scan.motion for scan in scans], dtype=np.float64)),
    }


def _notes_of_cleaning(
    section: FmriprepSection, scans: list[FunctionalScan], extracted: Path
) -> list[str]:
    """Say how signals were read and cleaned, and whose images lacked something."""
    people = [scan.participant for scan in scans]
    scan_summaries = {label: read_json(extracted / label / "scan.json") for label in people}
    counts = sorted({len(scan_summary["confounds"]) for scan_summary in scan_summaries.values()})
    notes = [
        f"Signals are means of the regions of {section.atlas}, in per cent, cleaned by nilearn's"
        f" strategy `{section.denoise}` ({' to '.join(map(str, {counts[0]: 0, counts[-1]: 0}))}"
        " confounds; connectivity/signals/<participant>/scan.json names them)"
        + (f", below {section.low_pass:g} Hz." if section.low_pass else ".")
    ]
    unmasked = [label for label, scan_summary in scan_summaries.items() if not scan_summary["mask"]]
    if unmasked:
        notes.append(
            f"{len(unmasked)} people have no brain mask on the grid of their image: all voxels with"
            f" a signal counted as brain: {first_few(unmasked)}."
        )
    censored = sum(int(scan_summary["censored"]) for scan_summary in scan_summaries.values())
    if censored:
        volumes = censored + sum(
            int(scan_summary["volumes"]) for scan_summary in scan_summaries.values()
        )
        notes.append(
            f"{censored} of {volumes} volumes were left out for motion, or as the first of a scan;"
            " connectivity/quality.tsv says how many of each."
        )
    return notes


def _notes(section: ConnectivitySection, quality: pd.DataFrame) -> list[str]:
    notes = []
    for status, why in (("refused", "cannot be used"), ("excluded", "are left out by an option")):
        names = quality.loc[quality["status"] == status, "participant_id"]
        if len(names):
            notes.append(
                f"{len(names)} of {len(quality)} scans {why}: {first_few(names)};"
                " connectivity/quality.tsv says why."
            )
    measured = quality[quality["status"] == MEASURED]
    lengths = measured.loc[measured["volumes"] >= 0, "volumes"]
    if lengths.nunique() > 1:
        notes.append(
            f"Scans have {lengths.min()} to {lengths.max()} volumes: correlations of short scans"
            " are noisier and shrunk more, so that length itself can tell groups apart."
        )
    twins = measured["reason"].str.contains("same connectome")
    if twins.any():
        notes.append(
            f"{int(twins.sum())} people have the connectome of somebody else:"
            f" {first_few(measured.loc[twins, 'participant_id'])}."
        )
    holes = int((measured["constant"] > 0).sum())
    if holes:
        notes.append(
            f"{holes} of {len(measured)} people lack the signal of some region: its edges are"
            " missing, not 0."
        )
    if measured["motion"].isna().all():
        notes.append("Nobody's motion is known: whether edges show motion cannot be checked.")
    if section.origin == "cohort":
        notes.append(
            "Regions were estimated on this cohort: people who are held out shaped them, so that"
            " methods that read edges are judged too kindly."
        )
    if section.origin == "unknown":
        notes.append(
            "Whether regions were estimated on this cohort is not stated (`connectivity: origin:`)."
        )
    return notes
