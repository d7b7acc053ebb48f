"""What an error of connectivity says to change is changed, and the connectomes are made then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from gendmr.config.connectivity import ConnectivitySection
from gendmr.connectivity.collect import collect_connectivity
from gendmr.connectivity.fmriprep import find_bold
from gendmr.connectivity.preflight import check_scans
from gendmr.errors import (
    AtlasError,
    GendmrError,
    IdentifierError,
    InputFileError,
    ModalityError,
    TableError,
)
from gendmr.statistics.connectivity import shrunk_correlation, to_vector
from remedies import both, each_part, mended, row

REGIONS = 5
ARRAYS, MATRICES = "connectivity/arrays.py", "connectivity/matrices.py"
PEOPLE, COLLECT = "connectivity/people.py", "connectivity/collect.py"
COMPONENTS, FMRIPREP = "connectivity/components.py", "connectivity/fmriprep.py"


def series(number: int, volumes: int = 80) -> np.ndarray:
    random = np.random.default_rng(number)
    return random.normal(size=(volumes, REGIONS)) @ (random.normal(size=(REGIONS, REGIONS)) + 2)


def full(number: int) -> np.ndarray:
    return shrunk_correlation(series(number))


def vectors(count: int = 4) -> np.ndarray:
    return np.stack([to_vector(full(number)) for number in range(count)])


class Data:
    """Files in a folder, and what the section says of them; changed by the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options: dict[str, Any] = {}

    def collect(self) -> None:
        collect_connectivity(ConnectivitySection.parse(self.options), self.folder / "out")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    for name in ("draw_connectome", "draw_people"):
        monkeypatch.setattr(f"gendmr.connectivity.figures.{name}", lambda *_: None)
    return Data(tmp_path)


Change = Callable[[Data], object]


def arrays(*contents: Any, ending: str = "npy", form: str = "series") -> Change:
    """Write the array of each person, of whom the first is called 0."""

    def change(data: Data) -> None:
        for number, content in enumerate(contents):
            path = data.folder / f"{number}.{ending}"
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, dict):
                savemat(path, content)
            else:
                np.save(path, content)
        data.options[form] = str(data.folder / f"{{participant}}.{ending}")

    return change


def archive(values: np.ndarray, participant: str = "participant", **more: Any) -> Change:
    """Write the file of all people."""

    def change(data: Data) -> None:
        people = np.array([f"p{number}" for number in range(len(values))])
        path = data.folder / "fnc.npz"
        np.savez(path, **{participant: people, "r": values, **more})
        data.options["matrices"] = str(path)

    return change


def option(**entries: Any) -> Change:
    return lambda data: data.options.update(entries)


def regions(*names: str, domain: str = "a") -> Change:
    """Write the table of regions."""

    def change(data: Data) -> None:
        path = data.folder / "regions.tsv"
        path.write_text("name\tdomain\n" + "".join(f"{name}\t{domain}\n" for name in names))
        data.options["components"] = str(path)

    return change


def listed(*rows: str) -> Change:
    """Write a table of files."""

    def change(data: Data) -> None:
        path = data.folder / "people.tsv"
        path.write_text("participant_id\tfile\n" + "".join(f"{row}\n" for row in rows))
        data.options["series"] = str(path)

    return change


def named_columns(number: int, order: str) -> Change:
    def change(data: Data) -> None:
        head = "\t".join(f"r{letter}" for letter in order)
        np.savetxt(
            data.folder / f"{number}.tsv", series(number), "%.6f", "\t", header=head, comments=""
        )
        data.options["series"] = str(data.folder / "{participant}.tsv")

    return change


FIVE = regions("r0", "r1", "r2", "r3", "r4")
GOOD = arrays(series(0), series(1), series(2))
OF_MAT = {"signals": series(0), "other": series(1), "cube": np.ones((3, 4, 5))}
DAMAGED = arrays(b"damaged", b"damaged", series(2))
ALONG = np.lexsort(np.triu_indices(REGIONS, 1))
STILL = np.ones((80, REGIONS))
NEGATIVE = np.full((4, 10), -0.9)
REAL = "save real numbers, or name the person in `connectivity: exclude:`"
ROWS_OF = "save an array of rows and columns, or name the person in"
IN_VARIABLE = "name an array of rows and columns in `connectivity: variable:`"
ONE_ROW = "give time series as volumes x regions, and one row for each region"
OF_PEOPLE = "name one in `connectivity: variable:`"

# The mistake, then what each part of the remedy changes.
ROWS = [
    row(ARRAYS, "rename the file by what it holds, or save it in one of these forms",
        InputFileError, arrays(b"1 2 3 4 5\n" * 80, ending="dat"), GOOD),
    row(ARRAYS, "fetch it again, or name the person in `connectivity: exclude:`", InputFileError,
        DAMAGED, GOOD, option(exclude=["0", "1"])),
    row(ARRAYS, REAL, ModalityError, arrays(series(0).astype(complex)), GOOD),
    row(ARRAYS, REAL, ModalityError, arrays(*[series(0).astype(complex)] * 2, series(2)),
        option(exclude=["0", "1"])),
    row(ARRAYS, ROWS_OF, ModalityError, arrays(np.ones((3, 4, 5))), GOOD),
    row(ARRAYS, IN_VARIABLE, ModalityError,
        both(arrays(OF_MAT, ending="mat"), option(variable="cube")), option(variable="signals")),
    row(ARRAYS, "correct `connectivity: variable:`", ModalityError,
        both(arrays(OF_MAT, ending="mat"), option(variable="x")), option(variable="signals")),
    row(ARRAYS, "name the array in `connectivity: variable:`", ModalityError,
        arrays(OF_MAT, ending="mat"), option(variable="signals")),
    row(COLLECT, "change `connectivity: minimum_volumes:` or the other limits", ModalityError,
        both(arrays(series(0, 40)), option()), option(minimum_volumes=30)),
    row(COLLECT, "or the other limits, or give series", ModalityError,
        arrays(series(0).T, series(1).T), GOOD),
    row(COLLECT, "give time series of all people as volumes x regions of one atlas", ModalityError,
        arrays(series(0), series(1)[:, :4]), GOOD),
    row(COLLECT, "store the labels of the people under `participant`", ModalityError,
        both(archive(vectors(), "subject"), FIVE), archive(vectors())),
    row(COLLECT, OF_PEOPLE, ModalityError, both(archive(vectors(), z=vectors()), FIVE),
        option(variable="r")),
    row(COMPONENTS, "list the regions in the order of the data", TableError,
        both(GOOD, regions()), FIVE),
    row(COMPONENTS, ONE_ROW, AtlasError, both(GOOD, regions("r0", "r1")), FIVE),
    row(COMPONENTS, "list the regions in the order of the columns of the data", AtlasError,
        both(named_columns(0, "10234"), FIVE), regions("r1", "r0", "r2", "r3", "r4")),
    row(MATRICES, "give the full symmetric matrix, or the vector of its pairs", ModalityError,
        arrays(*(np.triu(full(n)) for n in range(2)), form="matrices"),
        arrays(full(0), full(1), form="matrices"),
        both(arrays(*vectors(2), form="matrices"), FIVE)),
    row(MATRICES, "give time series in `connectivity: series:`", ModalityError,
        arrays(series(0), series(1), form="matrices"), both(option(matrices=None), GOOD)),
    row(MATRICES, "list the regions in their order in `connectivity: components:`", ModalityError,
        archive(vectors()), FIVE),
    row(MATRICES, "set `connectivity: values: fisher_z`, or give correlations", ModalityError,
        both(archive(np.arctanh(np.clip(1.5 * vectors(), -0.99, 0.99)) * 1.1), FIVE),
        both(archive(np.arctanh(vectors())), option(values="fisher_z")), archive(vectors())),
    row(MATRICES, "compare `connectivity: order:` and `values:` with the program", ModalityError,
        both(archive(NEGATIVE), FIVE), archive(vectors())),
    row(MATRICES, "give correlations, or set `connectivity: values: fisher_z`", ModalityError,
        arrays(*(full(n) + 6 * np.eye(REGIONS) for n in range(2)), form="matrices"),
        arrays(full(0), full(1), form="matrices"), option(values="fisher_z")),
    row(MATRICES, "set `connectivity: values: correlation`", ModalityError,
        both(arrays(full(0), full(1), form="matrices"), option(values="fisher_z")),
        option(values="correlation")),
    row(PEOPLE, "correct `connectivity: exclude:`; labels there: ", InputFileError,
        both(GOOD, option(exclude=["sub-0"])), option(exclude=["0"])),
    row(PEOPLE, " in place of the participant", InputFileError,
        both(GOOD, lambda data: option(series=f"{data.folder}/s{{participant}}.npy")(data)), GOOD),
    row(PEOPLE, "list one file for each person", InputFileError, both(GOOD, listed()),
        listed("a\t0.npy", "b\t1.npy")),
    row(PEOPLE, "leave one file for each person, or list them in a table", IdentifierError,
        both(GOOD, listed("a\t0.npy", "sub-a\t1.npy")), listed("a\t0.npy")),
    row(PEOPLE, "rename these files, or correct the table", IdentifierError,
        both(GOOD, listed("a b\t0.npy", "c\t1.npy")), listed("ab\t0.npy", "c\t1.npy")),
    row("connectivity/scan.py", "look at the file, or list the person in `connectivity: exclude:`",
        ModalityError, arrays(STILL, STILL, series(2)), option(exclude=["0", "1"])),
]  # fmt: skip


@each_part(("module", "remedy", "error", "wrong", "mending"), ROWS)
def test_collect_connectivity__after_each_part_of_its_remedy(
    data: Data,
    module: str,
    remedy: str,
    error: type[GendmrError],
    wrong: Change,
    mending: Change,
) -> None:
    wrong(data)
    with mended(module, remedy, error, data.collect):
        mending(data)


def test_check_scans__files_relative_to_their_table(data: Data) -> None:
    both(GOOD, listed("a\tdata/0.npy", "b\tdata/1.npy"))(data)
    words = "correct the column `file`; it is relative to the folder of its table"
    module = "connectivity/preflight.py"
    with mended(
        module,
        words,
        InputFileError,
        lambda: check_scans(ConnectivitySection.parse(data.options)),
    ):
        listed("a\t0.npy", "b\t1.npy")(data)


# Images of fMRIPrep: names of files tell all that is asked here -----------------------------------

SPACE = "space-MNI152NLin2009cAsym_res-2"


def bold(
    folder: Path, label: str, *, space: str = SPACE, run: str = "", task: str = "rest"
) -> None:
    func = folder / f"sub-{label}/func"
    func.mkdir(parents=True, exist_ok=True)
    stem = "_".join(filter(None, [f"sub-{label}", f"task-{task}", run, space]))
    (func / f"{stem}_desc-preproc_bold.nii.gz").touch()


SEVERAL = "say which one counts: `connectivity: fmriprep:` takes `task`, `session`"
IN_MNI = "run fMRIPrep with --output-spaces MNI152NLin2009cAsym:res-2, or correct"


@pytest.mark.parametrize(
    ("module", "remedy", "error", "wrong", "options", "mending"),
    [
        row(FMRIPREP, "name the folder in which fMRIPrep left sub-*/func", InputFileError,
            lambda folder: bold(folder / "deeper", "01"), {}, {"folder": "deeper"}),
        row(FMRIPREP, SEVERAL, IdentifierError,
            lambda folder: [bold(folder, "01", run=f"run-{n}") for n in (1, 2)], {}, {"run": 2}),
        row(FMRIPREP, SEVERAL, IdentifierError,
            lambda folder: [bold(folder, "01", task=task) for task in ("rest", "back")], {},
            {"task": "rest"}),
        row(FMRIPREP, IN_MNI, InputFileError, lambda folder: bold(folder, "01"),
            {"space": "MNI152NLin6Asym"}, {"space": "MNI152NLin2009cAsym"}),
        row(FMRIPREP, "labels there: ", InputFileError, lambda folder: bold(folder, "01"),
            {"task": "rst"}, {"task": "rest"}),
    ],
)  # fmt: skip
def test_find_bold__after_each_part_of_its_remedy(
    tmp_path, module, remedy, error, wrong, options, mending
):
    wrong(tmp_path)
    section = {"folder": str(tmp_path), "atlas": "atlas.nii", **options}

    def find():
        find_bold(ConnectivitySection.parse({"fmriprep": section}).fmriprep)

    with mended(module, remedy, error, find) as refused:
        for name, value in mending.items():
            assert (
                name == "folder"
                or f"`{name}`" in refused.next_step
                or value in (refused.next_step + refused.what)
            )
            section[name] = str(tmp_path / value) if name == "folder" else value


def test_find_bold__images_that_fmriprep_makes_with_the_option(tmp_path):
    bold(tmp_path, "01", space="")
    section = ConnectivitySection.parse({"fmriprep": {"folder": str(tmp_path), "atlas": "a.nii"}})
    with mended(FMRIPREP, IN_MNI, InputFileError, lambda: find_bold(section.fmriprep)):
        bold(tmp_path, "01")
