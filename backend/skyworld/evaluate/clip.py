"""CLIP embeddings and the similarities made of them. The backbone is fixed: OpenAI's ViT-B/32."""

from pathlib import Path

import numpy as np
from PIL import Image

from skyworld.errors import UserError
from skyworld.evaluate.registry import CLIP_B32, Models, Weights

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def to_8bit(picture: np.ndarray) -> np.ndarray:
    return np.round(np.asarray(picture) * 255).clip(0, 255).astype(np.uint8)


def short_side_crop(picture: np.ndarray, size: int) -> np.ndarray:
    """[size, size, 3] uint8: PIL's antialiased bicubic to `size` on the short side, then the centre (OpenAI's own)."""
    image = Image.fromarray(to_8bit(picture))
    scale = size / min(image.size)
    image = image.resize(
        [size if n == min(image.size) else int(n * scale) for n in image.size], Image.Resampling.BICUBIC
    )
    left, top = (round((n - size) / 2) for n in image.size)
    return np.asarray(image.crop((left, top, left + size, top + size)))


def normalised(x, device: str):
    """[N, 3, H, W] for CLIP from float [N, H, W, 3] in 0 to 1."""
    import torch

    x = torch.as_tensor(np.asarray(x, np.float32)).to(device).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (MEAN, STD))
    return (x - mean) / std


def embed(
    models: Models, weights: Weights, *, pictures=None, texts=None, squeeze: bool = False, batch: int = 16
) -> np.ndarray:
    """[N, D] embeddings, not normalised, of pictures or texts. squeeze: to the square without crop, not antialiased."""
    import torch

    clip, tokenizer = models.load(load_clip, weights)
    size = clip.config.vision_config.image_size
    result = []
    for i in range(0, len(texts or pictures), batch):
        with torch.inference_mode():
            if texts:
                tokens = tokenizer(list(texts[i : i + batch]), padding=True, truncation=True, return_tensors="pt")
                pooled = clip.text_model(**tokens.to(models.device)).pooler_output
                result.append(clip.text_projection(pooled))
            else:
                x = torch.cat([_square(p, size, squeeze, models.device) for p in pictures[i : i + batch]])
                result.append(clip.visual_projection(clip.vision_model(x).pooler_output))
    return torch.cat(result).float().cpu().numpy()


def _square(picture: np.ndarray, size: int, squeeze: bool, device: str):
    if not squeeze:
        return normalised(short_side_crop(picture, size)[None] / 255, device)
    import torch

    x = torch.from_numpy(to_8bit(picture).astype(np.float32) / 255).permute(2, 0, 1)[None]
    x = torch.nn.functional.interpolate(x, size=(size, size), mode="bicubic")
    return normalised(x.permute(0, 2, 3, 1), device)


def load_clip(path: Path, device: str):
    from transformers import CLIPModel

    try:
        model = CLIPModel.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError("this is no CLIP model", file=path, hint="Download the whole model again") from error
    return model.eval().to(device), load_tokenizer(path)


def load_tokenizer(path: Path):
    from transformers import CLIPTokenizer

    try:
        return CLIPTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise UserError("CLIP's tokenizer is missing", file=path, hint="Download the whole model again") from error


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sum(a * b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def clip_score(picture: np.ndarray, text: str, models: Models) -> float:
    """Cosine of the embeddings of the picture and of the text, -1 to 1, neither scaled nor clipped."""
    return cosine(embed(models, CLIP_B32, pictures=[picture]), embed(models, CLIP_B32, texts=[text]))


def clip_i(picture: np.ndarray, reference: np.ndarray, models: Models) -> float:
    """100 times the cosine of the embeddings of the picture and of the reference (the photograph of the world)."""
    return 100 * cosine(*embed(models, CLIP_B32, pictures=[picture, reference]))
