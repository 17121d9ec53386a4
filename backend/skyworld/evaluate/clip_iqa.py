"""CLIP-IQA+: quality as the choice between two learned prompts."""

from pathlib import Path
from pickle import UnpicklingError

import numpy as np

from skyworld.errors import UserError
from skyworld.evaluate.clip import load_tokenizer, normalised
from skyworld.evaluate.registry import CLIP_B32, CLIP_RN50, PROMPTS, Models, UnfitError


def clip_iqa_plus(picture: np.ndarray, models: Models) -> float:
    """CLIP-IQA+ (Wang et al. 2023): probability, 0 to 1, of the learned "good photo" against "bad photo".

    CLIP RN50 at the picture's own size, no positional embedding; softmax of the two cosines times CLIP's logit scale.
    """
    import torch

    from skyworld.evaluate.networks import clip_resnet_embedding

    if min(picture.shape[:2]) < 32:
        raise UnfitError("CLIP-IQA+ needs at least 32 pixels on each side")
    weights, prompts = models.load(_backbone_and_prompts, CLIP_RN50, PROMPTS, CLIP_B32)
    with torch.inference_mode():
        image = clip_resnet_embedding(weights, normalised(picture[None], models.device))
        cosines = torch.nn.functional.cosine_similarity(image, prompts)
        return float((weights["logit_scale"].exp() * cosines).softmax(0)[0])


def _backbone_and_prompts(backbone: Path, learned: Path, tokenizer: Path, device: str):
    import torch

    from skyworld.evaluate.networks import state_dict

    weights = state_dict(backbone, "visual.attnpool.c_proj.weight", device)
    try:
        context = torch.load(learned, map_location=device, weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError) as error:
        raise UserError("the learned prompts cannot be read", file=learned) from error
    width = weights["token_embedding.weight"].shape[1]
    if not isinstance(context, torch.Tensor) or context.shape not in ((2, 16, width), (16, width)):
        raise UserError(f"these are not learned prompts: a tensor [2, 16, {width}] is expected", file=learned)
    with torch.inference_mode():
        return weights, learned_prompts(weights, context.float(), load_tokenizer(tokenizer))


def learned_prompts(weights: dict, context, tokenizer):
    """[2, D] embeddings of the good and the bad prompt.

    As published: start, 8 learned tokens, the 3 tokens of "Good photo.." or "Bad photo..", 8 learned tokens, end.
    """
    import torch

    from skyworld.evaluate.networks import clip_text_embedding

    ids = [tokenizer(f"{word} photo..")["input_ids"] for word in ("Good", "Bad")]
    if any(len(row) != 5 for row in ids):
        raise UserError("this tokenizer is not CLIP's: it splits 'Good photo..' in other than three tokens")
    table = weights["token_embedding.weight"]
    words = table[torch.tensor(ids, device=table.device)]
    context = context.expand(2, -1, -1)
    prompts = torch.cat([words[:, :1], context[:, :8], words[:, 1:4], context[:, 8:], words[:, 4:]], 1)
    return clip_text_embedding(weights, prompts, torch.full((2,), prompts.shape[1] - 1))
