"""What a job imports: only what it uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from gendmr.cli import main as cli

def command(**_):
    import pandas
    print(pandas.Series(["a", None]).isna().tolist(), bool(sys.modules.get("pyarrow")))

cli.root = command
sys.argv = ["gendmr", sys.argv[1]]
cli.main()
import pyarrow
"""


@pytest.mark.parametrize(("stage", "arrow"), [("cohort", False), ("tracking", True)])
def test_main__only_tracking_brings_pyarrow_along(stage: str, arrow: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, stage], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"[False, True] {arrow}\n"
