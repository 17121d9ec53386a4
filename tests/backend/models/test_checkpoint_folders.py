"""What can be amiss with a checkpoint, in one sentence each."""

import json
import shutil

import httpx
import pytest
import tiny
import torch
from huggingface_hub import errors

from skyworld.errors import UserError
from skyworld.models.checkpoints import load
from skyworld.models.checkpoints.places import told
from skyworld.models.settings import Settings

CPU, SETTINGS = torch.device("cpu"), Settings(precision="float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(tiny.save("ZImagePipeline", folder), tmp_path / "model")


def refused(source, says: str, role: str = "inpainter") -> UserError:
    with pytest.raises(UserError, match=says) as caught:
        load(role, source, SETTINGS, CPU, local_only=True)
    assert caught.value.hint
    return caught.value


def test_another_architecture_is_named_with_what_would_do(folder):
    error = refused(tiny.save("swin2sr", folder), "is a Swin2SRForImageSuperResolution, which is no inpainter")
    assert "It fits as upscaler" in error.hint
    assert "Flux2KleinPipeline" in error.hint
    refused(tiny.save("FluxFillPipeline", folder), "is a FluxFillPipeline, which is no text to image", "text_to_image")


def test_a_folder_that_is_no_model(tmp_path):
    refused(tmp_path, "neither model_index.json nor config.json")


def test_an_index_that_is_not_json(copy):
    (copy / "model_index.json").write_text("{")
    refused(copy, "not JSON")


def test_a_part_that_is_missing(copy):
    shutil.rmtree(copy / "vae")
    refused(copy, "the folder vae is missing")


def test_weights_that_are_missing(copy):
    next((copy / "transformer").glob("*.safetensors")).unlink()
    refused(copy, "does not load")


def test_weights_that_are_cut_short(copy):
    weights = next((copy / "transformer").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    refused(copy, "cut short")


def test_a_shard_that_is_missing(copy):
    index = copy / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "diffusion_pytorch_model-00002-of-00002.safetensors"}}))
    refused(copy, "00002-of-00002.safetensors is missing")


def test_a_model_that_is_not_what_its_index_says(copy):
    shutil.rmtree(copy / "transformer")
    shutil.copytree(copy / "vae", copy / "transformer")
    refused(copy, "lacks .* of its weights")


def test_a_model_that_is_not_here_and_no_network():
    refused("somebody/something", "not on this computer, and the hub cannot be reached")


def test_a_name_that_can_be_no_model():
    refused("no such folder/at/all", "There is no model")


def test_a_gated_model_without_a_token():
    answer = httpx.Response(403, request=httpx.Request("GET", "https://huggingface.co/somebody/gated"))
    with pytest.raises(UserError, match="accept its licence") as caught, told("somebody/gated"):
        raise errors.GatedRepoError("403", response=answer)
    assert "https://huggingface.co/somebody/gated" in caught.value.hint


def test_a_network_that_breaks_down():
    with pytest.raises(UserError, match="the hub cannot be reached"), told("somebody/something"):
        raise httpx.ConnectError("no route")
