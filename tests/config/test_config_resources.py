"""Jobs ask for more at each attempt, and for what their modalities need."""

import pytest

from gendmr.config.resources import TOGETHER_MB, double_per_attempt, for_method
from gendmr.config.study import Study


def options(reads, kind="ridge"):
    study = Study.parse(
        {
            "study": "own",
            "seed": 1,
            "genotypes": {"inputs": ["own"]},
            "annotation": {"genes": "genes.loc"},
            "imaging": {"bids": "bids", "atlas": {"labels": "a.nii.gz", "table": "a.tsv"}},
            "cohort": {"participants": "people.tsv"},
            "training": {"methods": {"m": {"kind": kind, "reads": reads}}},
        }
    )
    return study.method_options("m")


def test_each_attempt_asks_for_twice_as_much():
    memory = double_per_attempt(3000)
    assert [memory(None, attempt) for attempt in (1, 2, 3)] == [3000, 6000, 12000]


@pytest.mark.parametrize(("people", "most"), [(5_000, 2_000), (20_000, 4_000)])
def test_for_method__memory_grows_with_people_and_snps(people, most):
    resources = for_method(options(["snp", "region"]), people, {"snp": 500_000, "region": 200})
    # Two bits a genotype, nine bytes for each of 5,000 SNPs that are selected.
    packed = people * 500_000 / 4 / 1e6
    assert packed + people * 5_000 * 9 / 1e6 < resources.memory_mb <= most * 1.02


def test_for_method__asks_for_nothing_that_is_not_read():
    alone = for_method(options(["region"]), 20_000, {"snp": 500_000, "region": 200})
    assert alone.memory_mb < 700


def test_for_method__a_null_of_networks_fits_them_together():
    network = options(["snp"], "gendmr")
    fold, null = (for_method(network, 100, {"snp": 1000}, null=null) for null in (False, True))
    assert null.memory_mb == fold.memory_mb + TOGETHER_MB
    assert (fold.gpus, null.minutes) == (1, 2 * fold.minutes)
    baseline = options(["snp"])
    assert for_method(baseline, 100, {}, null=True).memory_mb == baseline.method.resources.memory_mb
