"""Who is in the cohort, known before it is made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gendmr.config.simulate import SimulateSection
from gendmr.errors import ConfigurationError
from gendmr.simulate.roster import planned_images, roster


@pytest.mark.parametrize("faults", [True, False])
@pytest.mark.parametrize("images", [0, 1, 3, 4, 62, 80])
def test_as_many_images_as_configured(images: int, faults: bool) -> None:
    section = SimulateSection(people=80, images=images, faults=faults)
    planned = planned_images(section, "results/x/simulate/bids/")
    assert len(planned) == images
    assert all(
        paths == (f"results/x/simulate/bids/sub-{label}/anat/sub-{label}_T1w.nii.gz",)
        for label, paths in planned.items()
    )


def test_each_fault_has_one_carrier_and_the_right_standing() -> None:
    who = roster(SimulateSection(people=80, images=10))
    names = list(who.faults.values())
    assert sorted(names) == sorted(set(names))
    assert who.with_fault("no_image") in who.core
    assert who.with_fault("no_image") not in who.imaged
    assert who.with_fault("no_genotypes") in who.imaged
    assert who.with_fault("no_genotypes") not in who.core
    assert not set(who.faults) & set(who.core) - {who.with_fault("no_image")}
    assert set(who.imaged) <= set(who.everyone)


@pytest.mark.parametrize("people", [9000, 9001, 20_000])
def test_labels_are_as_long_and_in_order(people: int) -> None:
    who = roster(SimulateSection(people=people, images=10))
    assert len({len(label) for label in who.everyone}) == 1
    assert list(who.core) == sorted(who.core) and len(set(who.everyone)) == people + 6


def test_importing_the_roster_is_cheap(root: Path) -> None:
    code = (
        "import sys; from gendmr.simulate.roster import planned_images;"
        "print([m for m in ('numpy', 'pandas', 'nibabel', 'msprime', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"people": "400"}, "people"),
        ({"people": 10}, "people"),
        ({"images": 500}, "images"),
        ({"genez": 300}, "genez"),
        ({"odds_ratios": [1.5, 1.2]}, "odds_ratios"),
        ({"voxel_sizes": [0.1, 2.0]}, "voxel_sizes"),
        ({"regions": ["insula_L", "insula_L"]}, "regions"),
        ({"regions": []}, "through_regions"),
    ],
)
def test_a_wrong_configuration_names_the_key(wrong: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        SimulateSection.parse(wrong)


def test_the_section_survives_the_way_to_the_command_line() -> None:
    section = SimulateSection(people=80, images=8, null_mode=True)
    assert SimulateSection.parse(section.dump()) == section
