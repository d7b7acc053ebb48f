"""The profile of Slurm beside the profile of a site: what wins. Needs no Slurm."""

from __future__ import annotations

import pytest
import yaml

SITE = {
    "jobs": 20,
    "default-resources": {"slurm_account": "neuro", "slurm_partition": "long"},
    "set-resources": {"train_fold": {"gpu": 0}},
}


@pytest.fixture
def parsed(root, tmp_path, monkeypatch):
    """Parse a command line where `slurm` is the project's profile and `mysite` a user's."""
    from snakemake.cli import parse_args

    (tmp_path / "slurm").symlink_to(root / "workflow/profiles/slurm")
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite/config.yaml").write_text(yaml.safe_dump(SITE))
    monkeypatch.chdir(tmp_path)
    return lambda *words: parse_args([*words, "-n"])[1]


def test_the_profile_alone(parsed):
    arguments = parsed("--profile", "slurm")
    assert (arguments.executor, arguments.jobs, arguments.retries) == ("slurm", 100, 2)
    assert arguments.slurm_status_command == "squeue"
    assert arguments.group_components == {"registration": 10}
    assert arguments.slurm_requeue


@pytest.mark.parametrize(("order", "jobs"), [(("slurm", "mysite"), 20), (("mysite", "slurm"), 100)])
def test_a_sites_account_and_partition_hold_in_either_order_and_the_last_wins(parsed, order, jobs):
    arguments = parsed(*(word for name in order for word in ("--profile", name)))
    assert arguments.executor == "slurm"
    assert arguments.jobs == jobs
    assert {"slurm_account", "slurm_partition"} <= set(arguments.default_resources)
    assert "train_fold" in arguments.set_resources


def test_the_profile_sets_nothing_that_is_a_sites(root):
    ours = yaml.safe_load((root / "workflow/profiles/slurm/config.v8+.yaml").read_text())
    assert not {"default-resources", "set-resources", "slurm-partition-config"} & set(ours)
    # read by itself, over all others
    default = yaml.safe_load((root / "workflow/profiles/default/config.v8+.yaml").read_text())
    assert set(default) == {"rerun-incomplete"}
