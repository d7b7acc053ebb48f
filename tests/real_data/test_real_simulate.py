"""The genes of the demo, against the table they were chosen from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.real_data
def test_the_demo_genes_are_those_of_ncbi(root: Path, real_data: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(root / "resources/choose_demo_genes.py")),
            str(real_data / "annotation/NCBI37.3.gene.loc"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (root / "resources/demo_genes.tsv").read_text()
