"""Whole heads and stripped brains are told apart by what they hold, and nothing else loads."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from gendmr.errors import ToolError
from gendmr.files.atomic import read_json
from gendmr.imaging import network
from gendmr.imaging.ants_programs import FailedProgramError
from gendmr.imaging.brain import is_stripped
from gendmr.imaging.participant import register_participant
from gendmr.imaging.scan import read_scan


@pytest.mark.parametrize("scale", [0.85, 1.0, 1.1])
def test_the_state_of_an_image_is_seen_in_it(anatomy, scan_of, tmp_path, scale):
    brain = scan_of(tmp_path / "brain.nii", anatomy, scale=scale)
    head = scan_of(tmp_path / "head.nii", anatomy, scale=scale, skull=True)
    assert is_stripped(read_scan(brain))
    assert not is_stripped(read_scan(head))


def test_a_head_called_stripped_goes_to_the_network_and_a_brain_called_head_does_not(
    section, template, anatomy, scan_of, tmp_path
):
    head = scan_of(tmp_path / "head.nii", anatomy, skull=True)
    register_participant(head, "01", template, section, seed=3, output=tmp_path / "head")
    of_head = read_json(tmp_path / "head" / "quality.json")
    assert any("the image is a whole head" in text for text in of_head["warnings"])
    assert "network" in of_head["icv_source"]
    assert of_head["brain_mm3"] == pytest.approx(1_886_539, rel=0.05)
    brain = scan_of(tmp_path / "brain.nii", anatomy)
    network_section = section.model_copy(update={"brain": "network"})
    register_participant(brain, "01", template, network_section, seed=3, output=tmp_path / "brain")
    of_brain = read_json(tmp_path / "brain" / "quality.json")
    assert any("holds only brain" in note for note in of_brain["notes"])
    assert "stripped" in of_brain["icv_source"]


def test_nothing_of_deepbet_but_its_weights_is_loaded():
    code = (
        "import sys, numpy as np\n"
        "from gendmr.imaging.network import _load\n"
        "import torch\n"
        "_load('bbox_model.pt', torch.device('cpu'))\n"
        "print(sorted({'deepbet', 'fill_voids', 'cc3d', 'customtkinter'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_weights_that_are_not_there_are_named(monkeypatch):
    monkeypatch.setattr(network.metadata, "files", lambda _: [])
    with pytest.raises(ToolError, match="deepbet") as caught:
        network.brain_probability(np.zeros((8, 8, 8), np.float32))
    assert "imaging: brain: template" in caught.value.next_step


def test_the_same_scan_under_another_label_gives_the_same_volumes(
    section, template, anatomy, scan_of, tmp_path
):
    image = scan_of(tmp_path / "brain.nii", anatomy)
    for label in ("01", "another"):
        register_participant(image, label, template, section, seed=3, output=tmp_path / label)
    tables = [(tmp_path / label / "regions.tsv").read_bytes() for label in ("01", "another")]
    assert tables[0] == tables[1]


def test_a_failed_program_loses_its_person_and_never_the_stage(
    section, template, anatomy, scan_of, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise FailedProgramError("antsRegistration ended with status 1", next_step="look")

    monkeypatch.setattr("gendmr.imaging.registration.register_nonlinear", fail)
    image = scan_of(tmp_path / "brain.nii", anatomy)
    error = register_participant(image, "01", template, section, seed=3, output=tmp_path / "out")
    assert "antsRegistration ended with status 1" in str(error)
    refused = read_json(tmp_path / "out" / "quality.json")["refused"]
    assert refused["error"] == "ImageError"
    # Without room on the disk the scan is not blamed.
    monkeypatch.setattr("gendmr.imaging.participant._has_room", lambda _: False)
    with pytest.raises(FailedProgramError):
        register_participant(image, "01", template, section, seed=3, output=tmp_path / "again")
