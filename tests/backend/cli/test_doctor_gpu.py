"""What the doctor says of a GPU, told by a PyTorch that claims to have one."""

import importlib.util

import pytest
import torch

from skyworld import doctor

GIB = 2**30


@pytest.fixture
def gpu(monkeypatch, tmp_path):
    """gpu(gib): a card of that size, without gsplat and Triton."""

    def has(gib):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(gib * GIB) - GIB, int(gib * GIB)))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Card")
        return {check.name: check for check in doctor._device()}

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "triton" else found(name))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    return has


def test_the_profile_that_fits_is_named_and_how_to_get_it(gpu):
    assert "profile 8gb fits this GPU; 0 of 8" in gpu(7.8)["models"].finding
    assert "skyworld models download 16gb" in gpu(15.9)["models"].finding
    assert "too small for the profiles" in gpu(4)["models"].finding


def test_missing_triton_and_gsplat_are_told_with_the_way_out(gpu, monkeypatch):
    version = doctor.importlib.metadata.version

    def none(name):
        if name == "gsplat":
            raise doctor.importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", none)
    found = gpu(24)
    assert not found["triton"].good and found["triton"].finding.startswith("Triton is missing: fits run step by step")
    assert not found["device"].good and "pip install 'gsplat>=1.5.3,<1.6'" in found["device"].finding


def test_without_a_gpu_the_builtin_models_are_what_there_is():
    found = {check.name: check.finding for check in doctor._device()}
    assert found["device"].startswith("cpu") and found["models"].startswith("built-in")
