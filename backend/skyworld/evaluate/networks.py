"""Forward passes of the published networks that metrics are defined on, straight from their state dicts.

Each function takes the weights as they are published (names and shapes decide the layers), in evaluation mode, so that
no other vision library has to be installed. x: float32 [N, 3, H, W] on the device of the weights.
"""

import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor
from torch.nn import functional

from skyworld.errors import UserError


def state_dict(path: Path, needed: str, device: str) -> dict[str, Tensor]:
    """Named float32 tensors of a .pth file or a TorchScript archive; UserError unless `needed` is among them."""
    try:
        if zipfile.is_zipfile(path) and any(n.endswith("/constants.pkl") for n in zipfile.ZipFile(path).namelist()):
            content = torch.jit.load(path, map_location="cpu").state_dict()
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, OSError) as error:
        raise UserError("the weights cannot be read", file=path, hint="Download the file again") from error
    if not isinstance(content, dict) or needed not in content:
        raise UserError(f"these are other weights: there is no tensor {needed}", file=path)
    return {name: (x.float() if x.is_floating_point() else x).to(device) for name, x in content.items()}


def alexnet_taps(w: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """The five activations after ReLU of torchvision's AlexNet (Krizhevsky 2014)."""
    taps = []
    for layer, stride, padding, pool in (
        (0, 4, 2, False),
        (3, 1, 2, True),
        (6, 1, 1, True),
        (8, 1, 1, 0),
        (10, 1, 1, 0),
    ):
        x = functional.max_pool2d(x, 3, 2) if pool else x
        x = functional.relu(
            functional.conv2d(x, w[f"features.{layer}.weight"], w[f"features.{layer}.bias"], stride, padding)
        )
        taps.append(x)
    return taps


def batch_norm(w: dict[str, Tensor], name: str, x: Tensor, eps: float) -> Tensor:
    mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return functional.batch_norm(x, mean, variance, w[f"{name}.weight"], w[f"{name}.bias"], eps=eps)


def inception_features(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """[N, 2048] pool features of the FID Inception-v3 (2015-12-05), x [N, 3, 299, 299] in 0 to 255.

    As in TensorFlow's graph: inputs (x - 128) / 128, average pools without the padding, a max pool in Mixed_7c.
    """

    def conv(x: Tensor, name: str, stride: int = 1, same: bool = True) -> Tensor:
        kernel = w[f"{name}.conv.weight"]
        padding = (kernel.shape[2] // 2, kernel.shape[3] // 2) if same else 0
        return functional.relu(
            batch_norm(w, f"{name}.bn", functional.conv2d(x, kernel, stride=stride, padding=padding), 1e-3)
        )

    def chain(x: Tensor, block: str, branch: str, count: int) -> Tensor:
        for i in range(1, count + 1):
            x = conv(x, f"{block}.{branch}_{i}")
        return x

    def pooled(x: Tensor, block: str, largest: bool = False) -> Tensor:
        average = (
            functional.max_pool2d(x, 3, 1, 1) if largest else functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        )
        return conv(average, f"{block}.branch_pool")

    def fork(x: Tensor, block: str, branch: str) -> list[Tensor]:
        return [conv(x, f"{block}.{branch}{side}") for side in "ab"]

    x = conv((x - 128) / 128, "Conv2d_1a_3x3", 2, same=False)
    x = conv(conv(x, "Conv2d_2a_3x3", same=False), "Conv2d_2b_3x3")
    x = conv(functional.max_pool2d(x, 3, 2), "Conv2d_3b_1x1")
    x = functional.max_pool2d(conv(x, "Conv2d_4a_3x3", same=False), 3, 2)
    for b in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        wide, deep = chain(x, b, "branch5x5", 2), chain(x, b, "branch3x3dbl", 3)
        x = torch.cat([conv(x, f"{b}.branch1x1"), wide, deep, pooled(x, b)], 1)
    deep = conv(chain(x, "Mixed_6a", "branch3x3dbl", 2), "Mixed_6a.branch3x3dbl_3", 2, same=False)
    x = torch.cat([conv(x, "Mixed_6a.branch3x3", 2, same=False), deep, functional.max_pool2d(x, 3, 2)], 1)
    for b in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        wide, deep = chain(x, b, "branch7x7", 3), chain(x, b, "branch7x7dbl", 5)
        x = torch.cat([conv(x, f"{b}.branch1x1"), wide, deep, pooled(x, b)], 1)
    wide = conv(chain(x, "Mixed_7a", "branch3x3", 1), "Mixed_7a.branch3x3_2", 2, same=False)
    deep = conv(chain(x, "Mixed_7a", "branch7x7x3", 3), "Mixed_7a.branch7x7x3_4", 2, same=False)
    x = torch.cat([wide, deep, functional.max_pool2d(x, 3, 2)], 1)
    for b in ("Mixed_7b", "Mixed_7c"):
        wide = fork(chain(x, b, "branch3x3", 1), b, "branch3x3_2")
        deep = fork(chain(x, b, "branch3x3dbl", 2), b, "branch3x3dbl_3")
        x = torch.cat([conv(x, f"{b}.branch1x1"), *wide, *deep, pooled(x, b, largest=b == "Mixed_7c")], 1)
    return x.mean((2, 3))


def attention(w: dict[str, Tensor], name: str, query: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
    """Multi-head attention with heads of 64 channels, [L, N, C]; `name` holds in_proj_* and out_proj.* as torch's."""
    width, projection, bias = query.shape[-1], w[f"{name}.in_proj_weight"], w[f"{name}.in_proj_bias"]
    out = (w[f"{name}.out_proj.weight"], w[f"{name}.out_proj.bias"])
    return functional.multi_head_attention_forward(
        query, keys, keys, width, width // 64, projection, bias, None, None, False, 0.0, *out, False, None, False, mask
    )[0]


def clip_resnet_embedding(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """[N, D] image embedding of OpenAI's CLIP ResNet (Radford et al. 2021) for pictures of any size.

    The attention pool goes without its positional embedding, as CLIP-IQA asks (Wang et al. 2023, section 3.2).
    """

    def conv_bn(x: Tensor, conv: str, bn: str, **options) -> Tensor:
        return batch_norm(w, f"visual.{bn}", functional.conv2d(x, w[f"visual.{conv}.weight"], **options), 1e-5)

    x = functional.relu(conv_bn(x, "conv1", "bn1", stride=2, padding=1))
    x = functional.relu(conv_bn(x, "conv2", "bn2", padding=1))
    x = functional.avg_pool2d(functional.relu(conv_bn(x, "conv3", "bn3", padding=1)), 2)
    for layer in range(1, 5):
        block = 0
        while (name := f"layer{layer}.{block}") and f"visual.{name}.conv1.weight" in w:
            stride = 2 if layer > 1 and block == 0 else 1
            y = functional.relu(conv_bn(x, f"{name}.conv1", f"{name}.bn1"))
            y = functional.avg_pool2d(functional.relu(conv_bn(y, f"{name}.conv2", f"{name}.bn2", padding=1)), stride)
            y = conv_bn(y, f"{name}.conv3", f"{name}.bn3")
            if f"visual.{name}.downsample.0.weight" in w:
                x = conv_bn(functional.avg_pool2d(x, stride), f"{name}.downsample.0", f"{name}.downsample.1")
            x, block = functional.relu(x + y), block + 1
    tokens = x.flatten(2).permute(2, 0, 1)
    tokens = torch.cat([tokens.mean(0, keepdim=True), tokens])
    pool = {"pool.in_proj_weight": torch.cat([w[f"visual.attnpool.{p}_proj.weight"] for p in "qkv"])}
    pool["pool.in_proj_bias"] = torch.cat([w[f"visual.attnpool.{p}_proj.bias"] for p in "qkv"])
    pool |= {f"pool.out_proj.{end}": w[f"visual.attnpool.c_proj.{end}"] for end in ("weight", "bias")}
    return attention(pool, "pool", tokens[:1], tokens)[0]


def clip_text_embedding(w: dict[str, Tensor], prompts: Tensor, end: Tensor) -> Tensor:
    """[N, D] text embedding of OpenAI's CLIP for prompts given as token embeddings [N, L, C]; end: [N] last token."""

    def norm(x: Tensor, name: str) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])

    x = (prompts + w["positional_embedding"][: prompts.shape[1]]).transpose(0, 1)
    mask = torch.full((len(x), len(x)), -torch.inf, device=x.device).triu(1)
    block = 0
    while (name := f"transformer.resblocks.{block}") and f"{name}.ln_1.weight" in w:
        y = norm(x, f"{name}.ln_1")
        x = x + attention(w, f"{name}.attn", y, y, mask)
        y = functional.linear(norm(x, f"{name}.ln_2"), w[f"{name}.mlp.c_fc.weight"], w[f"{name}.mlp.c_fc.bias"])
        y = y * torch.sigmoid(1.702 * y)
        x, block = x + functional.linear(y, w[f"{name}.mlp.c_proj.weight"], w[f"{name}.mlp.c_proj.bias"]), block + 1
    x = norm(x, "ln_final").transpose(0, 1)
    return x[torch.arange(len(x)), end] @ w["text_projection"]
