"""Metrics that rest on a published model, on tiny models of the same classes with random weights. Offline."""

import json

import numpy as np
import pytest
import torch

from skyworld.errors import UserError
from skyworld.evaluate import Skipped, measure

transformers = pytest.importorskip("transformers")
RNG = np.random.default_rng(7)
PICTURES = list(RNG.random((3, 50, 70, 3)))


def clip_vocabulary(words=("good</w>", "bad</w>", "photo</w>", "..</w>")):
    """CLIP's byte vocabulary with just the merges that make these words one token."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [chr(256 + i) for i in range(256 - len(printable))]
    symbols = [*map(chr, printable), *others]
    tokens = [*symbols, *(s + "</w>" for s in symbols)]
    merges = []
    for word in words:
        stem = word.removesuffix("</w>")
        for end in range(2, len(stem) + 1):
            last = "</w>" if end == len(stem) else ""
            pair = (stem[: end - 1], stem[end - 1] + last)
            if pair not in merges:
                merges.append(pair)
                tokens.append("".join(pair))
    return {t: i for i, t in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}, merges


def save_clip(folder, size):
    vocabulary, merges = clip_vocabulary()
    n = len(vocabulary)
    tower = {"hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 2, "num_hidden_layers": 2}
    text = tower | {"vocab_size": n, "bos_token_id": n - 2, "eos_token_id": n - 1, "pad_token_id": n - 1}
    vision = tower | {"image_size": size, "patch_size": 8}
    torch.manual_seed(size)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    transformers.CLIPModel(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_clip(folder / "openai/clip-vit-base-patch32", 32)
    save_clip(folder / "openai/clip-vit-large-patch14-336", 40)
    return folder


def test_clip_i_of_a_picture_with_itself_is_a_hundred(weights):
    assert measure(["clip_i"], PICTURES[:1], PICTURES[:1], weights=weights)["clip_i"] == pytest.approx(100, abs=1e-4)
    assert measure(["clip_i"], PICTURES[:1], PICTURES[1:2], weights=weights)["clip_i"] < 99.9999


def test_clip_score_is_the_cosine_of_the_models_own_embeddings(weights):
    folder = weights / "openai/clip-vit-base-patch32"
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    tokens = transformers.CLIPTokenizer.from_pretrained(folder)("good photo", return_tensors="pt")
    picture = RNG.integers(0, 256, (32, 32, 3)) / 255  # of the model's size: nothing is resized
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((torch.tensor(picture, dtype=torch.float32) - mean) / std).permute(2, 0, 1)[None]
    with torch.inference_mode():
        output = model(pixel_values=pixels, **tokens)
    expected = float((output.image_embeds * output.text_embeds).sum())
    measured = measure(["clip_score"], [picture], texts=["good photo"], weights=weights)["clip_score"]
    assert measured == pytest.approx(expected, abs=1e-6)


def test_a_picture_is_cropped_about_its_middle_for_clip():
    from skyworld.evaluate.clip import short_side_crop

    wide = np.zeros((32, 64, 3))
    wide[:, 16:48] = 1
    assert short_side_crop(wide, 32).min() == 255 and short_side_crop(wide, 32).shape == (32, 32, 3)


def test_clip_fid_and_cmmd_are_zero_for_the_same_set_only(weights):
    names = ["clip_fid", "cmmd"]
    same, other = (measure(names, PICTURES, set_, weights=weights) for set_ in (PICTURES, [p**3 for p in PICTURES]))
    for name in names:
        assert same[name] == pytest.approx(0, abs=1e-5)
        assert other[name] > 1e-4


def test_a_single_picture_has_no_covariance(weights):
    value = measure(["clip_fid"], PICTURES[:1], PICTURES, weights=weights)["clip_fid"]
    assert isinstance(value, Skipped) and "two pictures" in value.reason


def test_a_broken_clip_folder_is_named(tmp_path):
    (tmp_path / "openai/clip-vit-base-patch32").mkdir(parents=True)
    with pytest.raises(UserError, match="clip-vit-base-patch32"):
        measure(["clip_i"], PICTURES[:1], PICTURES[:1], weights=tmp_path)


def openai_clip(vocabulary_size, width=64, layers=(1, 2, 1, 1)):
    """Random weights in the names of OpenAI's CLIP with a ResNet, a quarter as wide."""
    random = np.random.default_rng(8)
    w = {}

    def normal(name, *shape, scale=None):
        w[name] = torch.tensor(random.normal(size=shape) * (scale or np.prod(shape[1:]) ** -0.5), dtype=torch.float32)

    def bn(name, n):
        for end, values in {"weight": random.uniform(0.5, 1.5, n), "bias": random.normal(size=n) * 0.1}.items():
            w[f"visual.{name}.{end}"] = torch.tensor(values, dtype=torch.float32)
        for end, values in {"mean": random.normal(size=n) * 0.1, "var": random.uniform(0.5, 1.5, n)}.items():
            w[f"visual.{name}.running_{end}"] = torch.tensor(values, dtype=torch.float32)

    base = width // 4
    for i, (a, b) in enumerate(((3, base // 2), (base // 2, base // 2), (base // 2, base)), 1):
        normal(f"visual.conv{i}.weight", b, a, 3, 3)
        bn(f"bn{i}", b)
    inputs = base
    for layer, blocks in enumerate(layers, 1):
        inner = base * 2 ** (layer - 1)
        for block in range(blocks):
            name = f"layer{layer}.{block}"
            for i, (a, b, k) in enumerate(((inputs, inner, 1), (inner, inner, 3), (inner, inner * 4, 1)), 1):
                normal(f"visual.{name}.conv{i}.weight", b, a, k, k)
                bn(f"{name}.bn{i}", b)
            if block == 0:
                normal(f"visual.{name}.downsample.0.weight", inner * 4, inputs, 1, 1)
                bn(f"{name}.downsample.1", inner * 4)
            inputs = inner * 4
    for part in "qkvc":
        rows = 24 if part == "c" else inputs
        normal(f"visual.attnpool.{part}_proj.weight", rows, inputs)
        normal(f"visual.attnpool.{part}_proj.bias", rows, scale=0.1)
    normal("token_embedding.weight", vocabulary_size, width)
    normal("positional_embedding", 77, width, scale=0.1)
    normal("text_projection", width, 24)
    for i in range(2):
        name = f"transformer.resblocks.{i}"
        normal(f"{name}.attn.in_proj_weight", 3 * width, width)
        normal(f"{name}.attn.in_proj_bias", 3 * width, scale=0.1)
        for end, rows, columns in (("attn.out_proj", width, width), ("mlp.c_fc", 4 * width, width)):
            normal(f"{name}.{end}.weight", rows, columns)
            normal(f"{name}.{end}.bias", rows, scale=0.1)
        normal(f"{name}.mlp.c_proj.weight", width, 4 * width)
        normal(f"{name}.mlp.c_proj.bias", width, scale=0.1)
    for name in (*(f"transformer.resblocks.{i}.ln_{j}" for i in range(2) for j in (1, 2)), "ln_final"):
        w[f"{name}.weight"], w[f"{name}.bias"] = torch.ones(width), torch.zeros(width)
    return w | {"logit_scale": torch.tensor(np.log(100), dtype=torch.float32)}


def test_the_text_tower_equals_that_of_transformers():
    from skyworld.evaluate.networks import clip_text_embedding

    w = openai_clip(100)
    config = transformers.CLIPTextConfig(
        vocab_size=100, hidden_size=64, intermediate_size=256, num_attention_heads=1, num_hidden_layers=2,
        projection_dim=24, eos_token_id=99, bos_token_id=98, pad_token_id=0,
    )  # fmt: skip
    model = transformers.CLIPTextModelWithProjection(config).eval()
    mapped = {
        "text_model.embeddings.token_embedding.weight": w["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": w["positional_embedding"],
        "text_model.final_layer_norm.weight": w["ln_final.weight"],
        "text_model.final_layer_norm.bias": w["ln_final.bias"],
        "text_projection.weight": w["text_projection"].T,
    }
    ours = {
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
        "ln_1": "layer_norm1",
    }
    for i in range(2):
        a, b = f"transformer.resblocks.{i}", f"text_model.encoder.layers.{i}"
        for end in ("weight", "bias"):
            for here, there in (*ours.items(), ("ln_2", "layer_norm2")):
                mapped[f"{b}.{there}.{end}"] = w[f"{a}.{here}.{end}"]
            for part, values in zip("qkv", w[f"{a}.attn.in_proj_{end}"].chunk(3), strict=True):
                mapped[f"{b}.self_attn.{part}_proj.{end}"] = values
    result = model.load_state_dict(mapped, strict=False)
    assert not result.unexpected_keys and all("position_ids" in key for key in result.missing_keys)
    ids = torch.tensor([[98, 5, 6, 7, 99], [98, 9, 5, 5, 99]])
    with torch.inference_mode():
        expected = model(input_ids=ids).text_embeds
        actual = clip_text_embedding(w, w["token_embedding.weight"][ids], torch.tensor([4, 4]))
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-4)


@pytest.fixture
def clip_iqa_folder(weights, tmp_path):
    (tmp_path / "openai").symlink_to(weights / "openai", target_is_directory=True)
    w = openai_clip(len(clip_vocabulary()[0]))
    torch.save(w, tmp_path / "RN50.pt")
    context = torch.tensor(RNG.normal(size=(2, 16, 64)) * 0.1, dtype=torch.float32)
    torch.save(context, tmp_path / "CLIP-IQA+_learned_prompts-603f3273.pth")
    return tmp_path, w, context


def test_clip_iqa_is_the_softmax_of_two_cosines_with_the_words_amid_the_learned_context(clip_iqa_folder):
    from skyworld.evaluate import networks
    from skyworld.evaluate.clip import normalised

    folder, w, context = clip_iqa_folder
    vocabulary, _ = clip_vocabulary()
    rows = []
    for i, word in enumerate(("good</w>", "bad</w>")):
        ids = [vocabulary[t] for t in ("<|startoftext|>", word, "photo</w>", "..</w>", "<|endoftext|>")]
        words = w["token_embedding.weight"][ids]
        rows.append(torch.cat([words[:1], context[i, :8], words[1:4], context[i, 8:], words[4:]]))
    text = networks.clip_text_embedding(w, torch.stack(rows), torch.tensor([20, 20]))
    image = networks.clip_resnet_embedding(w, normalised(PICTURES[0][None], "cpu"))
    logits = 100 * torch.nn.functional.cosine_similarity(image, text)
    measured = measure(["clip_iqa_plus"], PICTURES[:1], weights=folder)["clip_iqa_plus"]
    assert measured == pytest.approx(float(logits.softmax(0)[0]), abs=1e-5)
    torch.save(context.flip(0), folder / "CLIP-IQA+_learned_prompts-603f3273.pth")
    assert measure(["clip_iqa_plus"], PICTURES[:1], weights=folder)["clip_iqa_plus"] != pytest.approx(
        measured, abs=1e-4
    )


def test_the_clip_resnet_gives_what_openais_code_gives_for_these_weights():
    """The values were computed with the model code that OpenAI published (positional embedding of the pool at zero)."""
    from skyworld.evaluate.networks import clip_resnet_embedding

    x = torch.tensor(np.random.default_rng(9).normal(size=(1, 3, 96, 128)), dtype=torch.float32)
    embedding = clip_resnet_embedding(openai_clip(10), x)[0]
    expected = torch.tensor([0.684043, 0.425087, -0.600985, 0.596316])
    torch.testing.assert_close(embedding[:4], expected, atol=1e-4, rtol=1e-4)


def test_torchscript_archives_are_read_as_openai_publishes_them(tmp_path):
    from skyworld.evaluate.networks import state_dict

    module = torch.nn.Sequential(torch.nn.Linear(2, 3)).half()
    torch.jit.script(module).save(tmp_path / "RN50.pt")
    tensors = state_dict(tmp_path / "RN50.pt", "0.weight", "cpu")
    torch.testing.assert_close(tensors["0.weight"], module[0].weight.float())


MODEL_CODE = '''
import torch
from transformers import PretrainedConfig, PreTrainedModel


class TinyConfig(PretrainedConfig):
    model_type = "tiny_owl"


class TinyOwl(PreTrainedModel):
    """Rates bright pictures excellent; insists on being asked as the published model is."""

    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.scale = torch.nn.Parameter(torch.tensor([4.0]))
        self.post_init()

    def forward(self, input_ids, images):
        assert (input_ids == -200).sum() == 1 and input_ids[0, 0] == 1 and (input_ids == 1).sum() == 1
        assert images.shape == (1, 3, 448, 448)
        logits = torch.zeros(1, input_ids.shape[1], 40)
        logits[0, -1, 3:8] = self.scale * images.mean() * torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0])
        return {"logits": logits}
'''


@pytest.fixture
def one_align(tmp_path, monkeypatch):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    folder = tmp_path / "q-future/one-align"
    folder.mkdir(parents=True)
    words = ["<unk>", "<s>", "</s>", "excellent", "good", "fair", "poor", "bad", "quality", "aesthetic", "is", "image"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>").save_pretrained(folder)
    (folder / "modeling_tiny.py").write_text(MODEL_CODE)
    auto = {"AutoConfig": "modeling_tiny.TinyConfig", "AutoModelForCausalLM": "modeling_tiny.TinyOwl"}
    (folder / "config.json").write_text(json.dumps({"model_type": "tiny_owl", "auto_map": auto}))
    from safetensors.torch import save_file

    save_file({"scale": torch.tensor([4.0])}, folder / "model.safetensors", metadata={"format": "pt"})
    return tmp_path


def test_qalign_is_the_expectation_over_the_five_words(one_align):
    white = np.ones((20, 20, 3))
    logits = 4 * float(
        np.mean((1 - np.array([0.48145466, 0.4578275, 0.40821073])) / [0.26862954, 0.26130258, 0.27577711])
    )
    p = np.exp(logits * np.array([2, 1, 0, -1, -2]))
    measured = measure(["qalign_quality", "qalign_aesthetic"], [white], weights=one_align)
    assert measured["qalign_quality"] == pytest.approx(p @ [5, 4, 3, 2, 1] / p.sum(), abs=1e-4)
    assert measure(["qalign_quality"], [white * 0], weights=one_align)["qalign_quality"] < 1.1


def test_qalign_asks_as_it_was_trained():
    from skyworld.evaluate.qalign import padded, prompt_ids

    ids = prompt_ids(lambda text: {"input_ids": [1, *map(ord, text)]}, "aesthetic")[0].tolist()
    before, after = ids[1 : ids.index(-200)], ids[ids.index(-200) + 1 :]
    assert "".join(map(chr, before)) == "USER: How would you rate the aesthetic of this image?\n"
    assert "".join(map(chr, after)) == "\nASSISTANT: The aesthetic of the image is"
    square = np.asarray(padded(np.ones((10, 30, 3))))
    assert square.shape == (30, 30, 3) and tuple(square[0, 0]) == (122, 116, 104) and square[15].min() == 255
