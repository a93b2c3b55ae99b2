"""The forge suites: unit, fuzz and invariant tests on the real T-REX contracts."""

import os
import subprocess

import pytest

from contracts.mutate import CONTRACTS, LOCKER, MUTATIONS, Mutation, NotAppliedError, forge_binary, is_noticed

BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}


def _forge(profile: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FOUNDRY_PROFILE": profile}
    return subprocess.run(
        [str(forge_binary()), "test"], cwd=CONTRACTS, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(600)
def test_forge_suites_pass() -> None:
    run = _forge("default")
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    assert " 0 failed, 0 skipped" in run.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_forge_suites_pass_at_length() -> None:
    run = _forge("thorough")
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]


@pytest.mark.timeout(300)
def test_an_unchanged_copy_passes_so_a_failure_means_something() -> None:
    assert not is_noticed(Mutation("control", LOCKER, ""))


def test_a_mutation_that_no_longer_applies_is_an_error() -> None:
    with pytest.raises(NotAppliedError):
        is_noticed(Mutation("gone", LOCKER, "this text is in no source"))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["seller-verified", "compliance-asked"])
def test_a_check_taken_away_is_noticed(name: str) -> None:
    assert is_noticed(BY_NAME[name])


@pytest.mark.torture
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_each_check_taken_away_is_noticed(name: str) -> None:
    assert is_noticed(BY_NAME[name])
