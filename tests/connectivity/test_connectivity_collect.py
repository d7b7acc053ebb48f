"""The stage `connectivity`: forms of files, who is left out, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.io import savemat

from gendmr.config.connectivity import ConnectivitySection
from gendmr.connectivity.arrays import read_array
from gendmr.connectivity.collect import collect_connectivity
from gendmr.errors import AtlasError, ConfigurationError, GendmrError, InputFileError, ModalityError
from gendmr.statistics.connectivity import shrunk_correlation, to_vector

ROOT = Path(__file__).resolve().parents[2]
REGIONS = 5
PAIRS = REGIONS * (REGIONS - 1) // 2


def series(number, volumes=80):
    random = np.random.default_rng(number)
    return random.normal(size=(volumes, REGIONS)) @ (random.normal(size=(REGIONS, REGIONS)) + 2)


def collect(folder, **options):
    collect_connectivity(ConnectivitySection.parse(options), folder / "out")
    quality = pd.read_csv(folder / "out" / "quality.tsv", sep="\t", keep_default_na=False)
    with xr.open_dataset(folder / "out" / "edges.nc", engine="h5netcdf") as stored:
        return stored.load(), quality.set_index("participant_id")


def notes_of(folder):
    return " ".join(json.loads((folder / "out" / "summary.json").read_text())["notes"])


def components(folder, count=REGIONS):
    path = folder / "components.tsv"
    rows = "".join(f"r{n}\t{'ab'[n % 2]}\n" for n in range(count))
    path.write_text("name\tdomain\n" + rows)
    return str(path)


WRITERS = {
    "npy": np.save,
    "mat": lambda path, values: savemat(path, {"signals": values}),
    "tsv": lambda path, values: (
        pd.DataFrame(values).add_prefix("r").to_csv(path, sep="\t", index=False)
    ),
    "csv": lambda path, values: np.savetxt(path, values, delimiter=","),
    "1D": lambda path, values: np.savetxt(path, values, header="#1 #2 #3 #4 #5", comments=""),
}


@pytest.mark.parametrize("word", ["n/a", "NA", "NaN", "#N/A", "NULL", ".", ""])
def test_read_array__unknown_in_the_words_of_other_programs(tmp_path, word):
    (tmp_path / "x.csv").write_text(f"r1,r2\n1,{word}\n3,4\n")
    np.testing.assert_array_equal(read_array(tmp_path / "x.csv").values, [[1, np.nan], [3, 4]])


@pytest.mark.parametrize("ending", WRITERS)
def test_time_series_of_each_form_give_the_same_edges(tmp_path, ending):
    for number in range(3):
        WRITERS[ending](tmp_path / f"sub-{number:02d}_x.{ending}", series(number))
    edges, quality = collect(tmp_path, series=str(tmp_path / f"sub-{{participant}}_x.{ending}"))
    expected = [to_vector(shrunk_correlation(series(number))) for number in range(3)]
    assert edges["participant"].values.tolist() == ["00", "01", "02"]
    assert np.allclose(edges["correlation"], expected, atol=1e-5)
    assert (tmp_path / "out" / "amplitudes.nc").is_file()
    assert (tmp_path / "out" / "pictures" / "01.png").is_file()
    assert set(quality["status"]) == {"measured"}


def test_short_damaged_still_and_copied_scans_are_listed(tmp_path):
    for number in range(8):
        np.save(tmp_path / f"{number}.npy", series(number, 40 if number == 3 else 80 + number))
    (tmp_path / "4.npy").write_bytes(b"damaged")
    still = series(5, 85)
    still[:, 0] = 1.0
    np.save(tmp_path / "5.npy", still)
    np.save(tmp_path / "6.npy", series(7, 87))
    edges, quality = collect(
        tmp_path, series=str(tmp_path / "{participant}.npy"), exclude=["0"], origin="cohort"
    )
    assert quality["status"].tolist() == [
        *("excluded", "measured", "measured", "excluded", "refused"),
        *("measured", "measured", "measured"),
    ]
    assert "40 volumes" in quality["reason"][3]
    assert "same connectome as 6" in quality["reason"][7]
    row = edges["participant"].values.tolist().index("5")
    missing = np.isnan(edges["correlation"].values[row])
    assert missing.tolist() == [name == "region1" for name in edges["first"].values]
    notes = notes_of(tmp_path)
    assert "held out shaped them" in notes
    assert "81 to 87 volumes" in notes
    assert "missing, not 0" in notes


def archive(folder, vectors):
    people = np.array([f"p{n}" for n in range(len(vectors))])
    np.savez(folder / "fnc.npz", participant=people, r=np.asarray(vectors))
    return str(folder / "fnc.npz")


def vectors(count=4):
    return np.stack([to_vector(shrunk_correlation(series(n))) for n in range(count)])


def test_vectors_in_either_order_and_as_fisher_z_give_the_same_edges(tmp_path):
    rows, columns = np.triu_indices(REGIONS, 1)
    along_columns = np.lexsort((rows, columns))
    table = components(tmp_path)
    for values, options in (
        (vectors(), {}),
        (np.arctanh(vectors()), {"values": "fisher_z"}),
        (vectors()[:, along_columns], {"order": "upper_columns"}),
    ):
        path = archive(tmp_path, values)
        edges, _ = collect(tmp_path, matrices=path, components=table, **options)
        assert np.allclose(edges["correlation"], vectors(), atol=1e-6)
    assert not (tmp_path / "out" / "amplitudes.nc").exists()


def test_what_no_connectome_is_is_refused(tmp_path):
    table = components(tmp_path)
    full = np.stack([shrunk_correlation(series(n)) for n in range(2)])

    def matrix(matrices, **options):
        for number, values in enumerate(matrices):
            np.save(tmp_path / f"m{number}.npy", values)
        collect(tmp_path, matrices=str(tmp_path / "m{participant}.npy"), **options)

    with pytest.raises(ModalityError, match="no table of the regions"):
        collect(tmp_path, matrices=archive(tmp_path, vectors()))
    with pytest.raises(ModalityError, match="are no correlations"):
        collect(tmp_path, matrices=archive(tmp_path, 3 * vectors()), components=table)
    with pytest.raises(ModalityError, match="not symmetric"):
        matrix([np.triu(single_matrix) for single_matrix in full])
    with pytest.raises(ModalityError, match="neither 1 nor 0"):
        matrix(full * 4)
    with pytest.raises(ModalityError, match="transformed twice"):
        matrix(full, values="fisher_z")
    impossible = np.full((2, PAIRS), -0.9)
    with pytest.raises(ModalityError, match="no signals have these correlations"):
        collect(tmp_path, matrices=archive(tmp_path, impossible), components=table)
    with pytest.raises(AtlasError, match="lists 6 regions, the data have 5"):
        collect(tmp_path, matrices=archive(tmp_path, vectors()), components=components(tmp_path, 6))


def test_people_with_other_numbers_of_regions_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", series(0))
    np.save(tmp_path / "b.npy", series(1)[:, :4])
    with pytest.raises(ModalityError, match="differ in their number of regions"):
        collect(tmp_path, series=str(tmp_path / "{participant}.npy"))


def test_nothing_and_both_forms_are_refused(tmp_path):
    with pytest.raises(InputFileError, match="no file matches"):
        collect(tmp_path, series=str(tmp_path / "{participant}.npy"))
    with pytest.raises(ConfigurationError, match="one of `series`, `matrices` and `fmriprep`"):
        ConnectivitySection.parse({"series": "a", "matrices": "b"})
    with pytest.raises(GendmrError):
        ConnectivitySection.parse({})


def neuromark(folder):
    """The shipped table of 53 components, and vectors of people whose networks show."""
    table = pd.read_csv(ROOT / "resources/neuromark53_domains.tsv", sep="\t")
    same = table["domain"].to_numpy()[:, None] == table["domain"].to_numpy()
    random = np.random.default_rng(0)
    values = []
    for _ in range(3):
        signals = random.normal(size=(150, 53))
        common = random.normal(size=(150, table["domain"].nunique()))
        signals += common[:, pd.factorize(table["domain"])[0]]
        values.append(to_vector(shrunk_correlation(signals)))
    assert same.sum() > 53
    return np.stack(values)


def test_the_table_of_neuromark_has_the_domains_of_its_own_software():
    # GIFT (trendscenter/gift), a batch script for neuromark_53.nii: comp_network_names.
    of_gift = {
        "subcortical": (1, 5),
        "auditory": (6, 7),
        "sensorimotor": (8, 16),
        "visual": (17, 25),
        "cognitive_control": (26, 42),
        "default_mode": (43, 49),
        "cerebellar": (50, 53),
    }
    table = pd.read_csv(ROOT / "resources/neuromark53_domains.tsv", sep="\t")
    table.index += 1
    ends = {name: (rows.index[0], rows.index[-1]) for name, rows in table.groupby("domain")}
    assert ends == of_gift and len(table) == 53


def test_1378_numbers_with_the_53_components_of_neuromark(tmp_path):
    path = str(ROOT / "resources/neuromark53_domains.tsv")
    vectors = neuromark(tmp_path)
    assert vectors.shape == (3, 1378)
    edges, _ = collect(tmp_path, matrices=archive(tmp_path, vectors), components=path)
    assert np.allclose(edges["correlation"], vectors, atol=1e-6)
    assert len(set(edges["first_domain"].values) | set(edges["second_domain"].values)) == 7
    assert "other way" not in notes_of(tmp_path)
    with pytest.raises(ModalityError, match=r"1,378 pairs \(53 regions\), and no table"):
        collect(tmp_path, matrices=archive(tmp_path, vectors))


@pytest.mark.parametrize("order", ["upper_rows", "upper_columns"])
def test_notes_of_order__says_that_pairs_run_the_other_way(tmp_path, order):
    path, vectors = str(ROOT / "resources/neuromark53_domains.tsv"), neuromark(tmp_path)
    rows, columns = np.triu_indices(53, 1)
    along_columns = np.lexsort((rows, columns))
    right = vectors if order == "upper_rows" else vectors[:, along_columns]
    wrong = vectors[:, along_columns] if order == "upper_rows" else vectors
    # The order is wrong for whole vectors of people that are correlations either way.
    for values, note in ((right, False), (0.2 * wrong, True)):
        stored = archive(tmp_path, values)
        collect(tmp_path, matrices=stored, components=path, order=order)
        assert ("ran the other way" in notes_of(tmp_path)) == note


def test_fisher_z_given_twice_is_refused(tmp_path):
    table = components(tmp_path)
    strong = np.tanh(1.5 * np.arctanh(vectors()))
    twice = np.arctanh(np.arctanh(np.clip(strong, -0.7, 0.7)))
    assert np.abs(twice).max() > 1
    with pytest.raises(ModalityError, match="are no correlations") as refused:
        collect(tmp_path, matrices=archive(tmp_path, twice), components=table)
    assert "Fisher z" in str(refused.value)
