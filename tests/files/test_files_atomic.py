"""Writes are all or nothing."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from disks import small_disk
from gendmr import style
from gendmr.engine.checkpoint import Checkpoint
from gendmr.errors import OutputError
from gendmr.files.atomic import (
    atomic_path,
    move_into_place,
    read_json,
    sha256,
    write_json,
    write_text,
)
from gendmr.files.datasets import Variable, write_dataset
from gendmr.files.pieces import write_blocks
from gendmr.files.tables import write_table
from gendmr.imaging.scan import write_image
from gendmr.simulate.nifti import ALIGNED, write_nifti

ROOM = 20_000  # bytes; each writer below wants several times as much
NOISE = np.random.default_rng(0).normal(size=(40, 40, 40))
# Where files are written that are no results: lists for PLINK, a start for ANTs, a lock.
SCRATCH = {
    "export/associations.py": {"folder"},  # what PLINK reads, in a folder for it alone
    "genotypes/bgen.py": {"path"},
    "genotypes/formats.py": {"people", "path"},
    "genotypes/joining.py": {"path", "work"},
    "genotypes/variants.py": {"work"},
    "genotypes/plink.py": {"path", "folder"},
    "imaging/registration.py": {"start"},
    "imaging/participant.py": {"scratch"},  # whether there is room for what ANTs writes
    "tracking/replay.py": {"path", "fresh"},  # a lock; tables of a database
    "tracking/launch.py": {"log"},
    "tracking/show.py": {"log"},  # what a server says, removed when it ends
    "engine/checkpoint.py": {"self"},  # a checkpoint set aside: renamed, not written
    "files/session.py": {"folder"},
    "files/seal.py": {"source", "new_seal"},  # the one rename that all others go through
}
WRITERS = {
    *("write_text", "write_bytes", "to_csv", "to_netcdf", "savefig", "savez", "tofile", "touch"),
    *("symlink_to", "copyfile", "copy2", "move", "to_filename"),
}


def draw(path):
    figure, axes = style.canvas(size=(4, 3))
    axes.imshow(NOISE[0])
    style.save(figure, path)


SCHEMA = {
    "z": Variable(("permutation", "gene"), "float32", "", "noise"),
    "gene": Variable(("gene",), "text", "", "name"),
}
GENES = np.arange(4096).astype(str)
DRAWS = np.random.default_rng(0).normal(size=(50, GENES.size)).astype("float32")


def write_whole(path):
    dataset = xr.Dataset({"z": (("permutation", "gene"), DRAWS)}, coords={"gene": GENES})
    write_dataset(path, dataset, SCHEMA)


def write_by_blocks(path):
    blocks = ((start, DRAWS[:, start : start + 1024]) for start in range(0, GENES.size, 1024))
    write_blocks(path, SCHEMA, "z", DRAWS.shape, {"gene": GENES}, blocks, {})


EVERY_KIND = {
    "a.tsv": lambda path: write_table(path, pd.DataFrame(NOISE[0])),
    "a.json": lambda path: write_json(path, NOISE[0].tolist()),
    "a.nc": write_whole,
    "b.nc": write_by_blocks,
    "a.png": draw,
    "a.nii.gz": lambda path: write_image(path, NOISE, np.eye(4)),
    "b.nii.gz": lambda path: write_nifti(path, NOISE * 1000, np.eye(4), ALIGNED),
    "training.checkpoint": lambda path: Checkpoint(path.parent.parent, path.parent.name).save(
        {"weights": NOISE}, {"epoch": 1}
    ),
}


@pytest.mark.parametrize("name", EVERY_KIND)
def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path, name):
    with small_disk(ROOM) as folder:
        path = folder / name
        path.write_bytes(b"old")
        with pytest.raises(OutputError, match=rf"(?s){name}: not written, .*df -h"):
            EVERY_KIND[name](path)
        assert path.read_bytes() == b"old"
        assert [entry.name for entry in folder.iterdir()] == [name]
    # Where there is room the same call writes more than that: to a folder as deep.
    roomy = tmp_path / "disk" / name
    EVERY_KIND[name](roomy)
    assert roomy.stat().st_size > ROOM


def test_a_writer_that_left_nothing_in_the_file_is_refused(tmp_path):
    path = tmp_path / "result.txt"
    write_text(path, "old\n")
    with (
        pytest.raises(OutputError, match=r"result.txt: .* no content"),
        atomic_path(path) as partial,
    ):
        partial.touch()
    (tmp_path / "made").touch()
    with pytest.raises(OutputError, match="no content"):
        move_into_place(tmp_path / "made", path)
    assert path.read_text() == "old\n"
    # an empty list is one that was meant
    write_text(path, "")
    assert path.read_bytes() == b""


def test_a_killed_write_leaves_the_old_file_and_the_next_one_tidies_up(tmp_path):
    path = tmp_path / "result.txt"
    write_text(path, "old\n")
    code = (
        "import sys, time\n"
        "from gendmr.files.atomic import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    print(flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        os.kill(job.pid, signal.SIGKILL)
    assert path.read_text() == "old\n"
    (partial,) = [entry for entry in tmp_path.iterdir() if entry != path]
    assert partial.read_text() == "half"
    assert partial.name.startswith(".") and partial.suffix == path.suffix
    foreign = tmp_path / ".0a1b2c3d.another.txt"
    foreign.touch()
    write_text(path, "new\n")
    assert path.read_text() == "new\n"
    assert not partial.exists() and foreign.exists()


def raw_writes(source):
    """Yield line and target of each write that is not to a temporary file."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        target, name = ast.unparse(node.func.value), node.func.attr
        words = [ast.unparse(word) for word in node.args]
        # Tables have methods of the same names.
        path = len(words) == 1 and (
            isinstance(node.func.value, ast.BinOp)
            or isinstance(node.args[0], ast.BinOp)
            or {"path", "source"} & set(target.split("."))
        )
        if (
            name in WRITERS
            or (name in {"replace", "rename"} and path)
            or (name == "open" and words and words[-1][0] == "'" and set(words[-1]) & set("wax+"))
            or (name == "save" and target == "nib")
        ) and not {"temporary", "stream", "None"} & {*words[:2], target}:
            if name.startswith("to_") and not words:
                continue  # it returns text
            written = words[0] if name.startswith("to_") else target
            yield node.lineno, written.split(".")[0].split()[0]


def test_every_writer_of_the_package_writes_beside_and_renames(root):
    package = root / "workflow/gendmr"
    writes = {
        (str(path.relative_to(package)), line, target)
        for path in package.rglob("*.py")
        for line, target in raw_writes(path.read_text())
    }
    wrong = [item for item in writes if item[2] not in SCRATCH.get(item[0], set())]
    assert wrong == []
    assert {name for name, _, _ in writes} == set(SCRATCH), "take what is gone from the list"


def test_the_check_of_writers_can_fail():
    for line in (
        "path.write_text('x')",
        "table.to_csv(path)",
        "nib.save(image, path)",
        "path.open('w')",
        "(work / a).replace(b)",
        "path.replace(b)",
    ):
        assert list(raw_writes(line)), line
    assert not list(raw_writes("temporary.write_text('x')\nnib.save(image, temporary)"))


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "result.txt"
    write_text(target, "old\n")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["result.txt"]


def test_a_write_that_produced_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "never.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_json_is_sorted_reads_back_and_refuses_nan(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"b": 1, "a": "é"})
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert read_json(path) == {"a": "é", "b": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text())["b"] == 1


def test_checksum_is_that_of_the_bytes(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
