"""Each exported file is what its format asks for, by the format's own validator."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import rocrate
import yaml
from click.testing import CliRunner
from scipy.stats import norm

from export.conftest import SPACE
from export.validators import said, validator
from factories import PLANTED_SNP
from gendmr.config.methods import KINDS
from gendmr.config.study import DATA_STAGES
from gendmr.errors import ConfigurationError, InputFileError
from gendmr.export.associations import ssf_table
from gendmr.export.commands import group
from gendmr.export.measured_text import PARAGRAPHS
from gendmr.export.methods_text import CITATION, bibliography, methods_text
from gendmr.export.results import StudyResults
from gendmr.export.study import export_study
from gendmr.files.atomic import write_json
from gendmr.files.tables import read_table
from gendmr.modalities.store import read_modality
from gendmr.statistics.association import score_test
from remedies import mended

CONTEXT = """
import io, json, sys
from pathlib import Path
import requests, requests_cache, urllib3
context = json.loads(Path(sys.argv[2]).read_text())
session = requests_cache.CachedSession(sys.argv[1], expire_after=-1)
request = requests.Request("GET", "https://w3id.org/ro/crate/1.3/context",
                           headers={"Accept": "application/ld+json"})
body = io.BytesIO(json.dumps({"@context": context["@context"]}).encode())
raw = urllib3.HTTPResponse(body, {"Content-Type": "application/ld+json"}, 200,
                           preload_content=False, request_url=request.url)
prepared = session.prepare_request(request)
session.cache.save_response(requests.adapters.HTTPAdapter().build_response(prepared, raw))
"""


@pytest.fixture(scope="module")
def exported(study: Path) -> Path:
    """The folder export/ of the study, all kinds."""
    result = CliRunner().invoke(group, [str(study)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return study / "export"


def test_the_gwas_catalog_takes_the_associations(exported: Path) -> None:
    program = validator("validators-gwas", "gwas-ssf")
    answer = said(program, "validate", "-m", "100", exported / "associations/diagnosis.tsv.gz")
    assert "Validation status: True" in answer


def test_associations_are_those_of_a_score_test(exported: Path, study: Path) -> None:
    """The score test adjusts for age and sex, PLINK's Wald test for components as well."""
    table = pd.read_csv(exported / "associations/diagnosis.tsv.gz", sep="\t")
    meta = yaml.safe_load((exported / "associations/diagnosis.tsv.gz-meta.yaml").read_text())
    sample = meta["samples"][0]
    assert sample["case_count"] + sample["control_count"] == sample["sample_size"] >= 100
    snps = read_modality(study / "cohort/snp.nc", "snp")
    people = read_table(study / "cohort/participants.tsv", {"participant_id": "text",
                        "age": "number"}, extra=True)  # fmt: skip
    people = people.set_index("participant_id").loc[snps["participant"].values.astype(str)]
    case = (people["diagnosis"] == "case").to_numpy(dtype=float)
    centred = (case - case.mean())[:, None]
    covariates = np.column_stack([people["age"], people["sex"] == "F"]).astype(float)
    z = score_test(snps["dosage"].values, centred, covariates)[0][:, 0]
    place = snps["chromosome"].to_series() + ":" + snps["position"].to_series().astype(str)
    expected = pd.DataFrame(
        {"z": z, "effect": snps["effect_allele"].values}, index=place.to_numpy()
    )
    theirs = (table["beta"] / table["standard_error"]).to_numpy()
    position = table["base_pair_location"].astype(str)
    tested = expected.loc[table["chromosome"].astype(str) + ":" + position]
    sign = np.where(tested["effect"].to_numpy() == table["effect_allele"].to_numpy(), 1, -1)
    assert np.corrcoef(theirs * sign, tested["z"])[0, 1] > 0.8
    # The allele that was planted as the risk raises the odds.
    planted = table.loc[table["rsid"] == PLANTED_SNP].iloc[0]
    allele = snps["effect_allele"].values[snps["snp"].values == PLANTED_SNP][0]
    assert planted["p_value"] < 1e-3
    assert (planted["beta"] > 0) == (planted["effect_allele"] == allele)
    np.testing.assert_allclose(table["p_value"], 2 * norm.sf(np.abs(theirs)), rtol=0.02)


def test_ssf_table__names_the_other_allele_and_drops_what_was_not_tested() -> None:
    results = pd.DataFrame(
        {
            "#CHROM": ["X", "2", "2"], "POS": ["5", "9", "3"], "ID": ["rs1", "x", "y"],
            "REF": ["A", "C", "G"], "ALT": ["T", "G", "A"], "A1": ["A", "G", "A"],
            "A1_FREQ": ["0.1", "0.2", "0.3"], "OBS_CT": ["9", "9", "9"],
            "BETA": ["0.5", "1", "NA"], "SE": ["1", "1", "NA"], "P": ["0.6", "0.3", "NA"],
        }
    )  # fmt: skip
    table = ssf_table(results)
    assert table["chromosome"].tolist() == [2, 23]
    assert table["other_allele"].tolist() == ["C", "T"]
    assert table["rsid"].tolist() == ["#NA", "rs1"]


def test_maps_hold_the_values_of_their_regions(exported: Path, study: Path) -> None:
    ranking = read_table(
        study / "ranking/ridge-region/regions.tsv",
        {"region": "text", "score": "number", "z": "number"},
        extra=True,
    )
    labels = np.asarray(nibabel.load(study / "imaging/template/atlas.nii.gz").dataobj)
    for name, values in (
        ("score", ranking["score"]),
        ("z", ranking["z"].fillna(0)),
        ("risk", ranking["score"] * np.where(ranking["direction"] == "lower", 1, -1)),
    ):
        image = nibabel.load(exported / f"maps/ridge-region_{name}.nii.gz")
        data = image.get_fdata()
        for number, value in enumerate(values, start=1):
            np.testing.assert_allclose(data[labels == number], value, rtol=1e-6)
        assert (data[labels == 0] == 0).all()
        assert image.get_qform(coded=True)[1] == image.get_sform(coded=True)[1] == 4
        assert image.header.get_xyzt_units()[0] == "mm"
        nibabel.Nifti1Header.from_header(image.header, check=True)
        sidecar = json.loads((exported / f"maps/ridge-region_{name}.json").read_text())
        assert sidecar["SpatialReference"] == SPACE


def test_derivatives_are_bids(exported: Path) -> None:
    program = validator("validators", "bids-validator-deno")
    answer = said(program, exported / "bids")
    assert "[ERROR]" not in answer and "2 - Subjects" in answer
    broken = exported.parent / "broken"
    broken.mkdir()
    (broken / "sub-0001").mkdir()
    (broken / "sub-0001/picture.nii.gz").write_bytes(b"")
    done = subprocess.run([program, str(broken)], capture_output=True, check=False, timeout=120)
    assert done.returncode != 0


def test_gene_sets_are_lines_of_names_and_genes(exported: Path) -> None:
    lines = (exported / "gene_sets/genes.gmt").read_text().splitlines()
    sets = {line.split("\t")[0]: line.split("\t")[2:] for line in lines}
    assert set(sets) == {
        "small_ridge-snp_first_25", "small_ridge-snp_first_30", "small_ridge-snp_q_below_0.05",
    }  # fmt: skip
    assert sets["small_ridge-snp_q_below_0.05"] == ["G00", "G01"]
    assert all(len(set(genes)) == len(genes) for genes in sets.values())


def test_the_crate_is_one(exported: Path, tmp_path: Path) -> None:
    program = validator("validators", "rocrate-validator")
    # The context of RO-Crate comes with its library, so that nothing has to be fetched.
    context = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
    cache = tmp_path / "cache"
    said(validator("validators", "python"), "-c", CONTEXT, cache, context)
    crate = exported.parent
    answer = said(
        program, "--no-interactive", "validate", "--offline", "--cache-path", cache,
        "--profile-identifier", "ro-crate-1.3", "--no-paging", "-v", crate,
    )  # fmt: skip
    assert "RO-Crate is a valid ro-crate-1.3" in answer
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    listed = {entity["@id"] for entity in graph}
    assert "export/maps/ridge-region_z.nii.gz" in listed
    assert not [name for name in listed if "participants" in name or "predictions" in name]


def test_export__refuses_a_folder_without_a_study(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="no finished fold"):
        export_study(tmp_path)


def test_export__after_what_its_remedies_say(study: Path, tmp_path: Path) -> None:
    kinds, folder = ["score"], [study]
    with mended(
        "export/study.py",
        "name some of these, or none for all",
        ConfigurationError,
        lambda: export_study(folder[0], kinds),
    ):
        kinds[0] = "maps"
    folder[0] = tmp_path
    words = "name the folder of a finished study; make run CONFIG=... finishes one"
    with mended("export/results.py", words, InputFileError, lambda: export_study(folder[0], kinds)):
        folder[0] = study


def test_export__refuses_an_unknown_kind(study: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'scores'"):
        export_study(study, ["score"])


def test_the_methods_text_says_what_ran_and_cites_only_what_it_lists(
    exported: Path, study: Path
) -> None:
    text = (exported / "methods/methods.md").read_text()
    entries = (exported / "methods/methods.bib").read_text()
    cited = {key for group in CITATION.findall(text) for key in re.findall(r"[\w]+", group)}
    assert cited == set(re.findall(r"@\w+\{(\w+),", entries)) <= set(bibliography())
    assert "PyTorch" not in text, "no network ran"
    assert "2 folds" in text and "120 people" in text
    assert "*ridge-snp* (Ridge regression" in text
    assert "**Genes.**" not in text, "no annotation is among the results"


SUMMARIES = {
    "expression": {"people": 80, "genes": 900, "left_genes": 12, "platforms": {"rnaseq": 80}},
    "histology": {"people": 70, "slides": 90, "used_slides": 88, "features": 1024, "bag": 500},
    "connectivity": {"people": 60, "measured": 58, "regions": 10},
    "lesions": {"people": 50, "measured": 49},
}
SENTENCES = {
    "expression": "Expression of 900 genes of 80 people was read (people by platform: rnaseq: 80)",
    "histology": "Of 90 whole-slide images 88, of 70 people, were used",
    "connectivity": "of 58 of 60 people were used: correlations between 10 regions (45 pairs)",
    "lesions": "masks of lesions of 49 of 50 people",
}


@pytest.mark.parametrize("stage", SUMMARIES)
def test_methods_text__has_a_paragraph_of_each_stage_that_ran(
    stage: str, study: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    for part in ("cohort", "training"):
        (folder / part).symlink_to(study / part)
    summary = {**SUMMARIES[stage], "notes": ["2 people moved."], "versions": {"numpy": "2.4"}}
    write_json(folder / stage / "summary.json", summary)
    text = methods_text(StudyResults(folder))
    assert SENTENCES[stage] in text
    assert "2 people moved. Software: numpy 2.4 [@harris2020numpy]." in text
    assert [named for named in SENTENCES if SENTENCES[named] in text] == [stage]


def test_methods_text__knows_every_stage_and_the_papers_of_every_published_method() -> None:
    """A stage that is added without a paragraph, or a method without its paper, is seen here."""
    described = {"genotypes", "annotation", "imaging", "simulate", *PARAGRAPHS}
    assert set(DATA_STAGES) <= described, "no paragraph on a stage"
    entries = "".join(bibliography().values())
    named = set(re.findall(r"kind-([\w-]+)", entries))
    assert {"gendmr", "migtrans", "subspace", "mgi"} <= named <= set(KINDS)


def test_a_checklist_makes_up_no_answer(exported: Path) -> None:
    for name, items in (("tripod-ai", 52), ("strobe", 22)):
        rows = (exported / f"methods/{name}.md").read_text().splitlines()[6:]
        assert len(rows) == items
        answers = {row.split("|")[1].strip(): row.split("|")[3].strip() for row in rows}
        assert "*for the authors*" in answers.values()
        # Funding is known to nobody but the authors; who took part is in files of the study.
        assert answers["22" if name == "strobe" else "18a"] == "*for the authors*"
        assert answers["13" if name == "strobe" else "20a"].startswith("120 people")
