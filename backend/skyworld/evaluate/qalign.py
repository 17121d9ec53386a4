"""Q-Align: a vision-language model says which of five words it would use."""

from pathlib import Path

import numpy as np
from PIL import Image

from skyworld.errors import UserError
from skyworld.evaluate.clip import MEAN, normalised, to_8bit
from skyworld.evaluate.registry import ONE_ALIGN, Models

WORDS = ("excellent", "good", "fair", "poor", "bad")
PROMPT = "USER: How would you rate the {task} of this image?\n<|image|>\nASSISTANT: The {task} of the image is"
IMAGE_TOKEN = -200  # what the published model's code replaces by the picture
SIZE = 448  # pixels, of the square it sees


def qalign(picture: np.ndarray, models: Models, task: str = "quality") -> float:
    """Q-Align (Wu et al. 2023, OneAlign), 1 to 5: expectation of excellent 5, good 4, fair 3, poor 2, bad 1 under the
    probabilities of these words as the next one. The picture is padded to a square with the mean colour.

    The model's folder holds Python code of its publishers, which this runs.
    """
    import torch

    model, tokenizer = models.load(_load, ONE_ALIGN)
    ids = prompt_ids(tokenizer, task).to(models.device)
    # the word's first token follows the start token
    words = [tokenizer(word)["input_ids"][1] for word in WORDS]
    square = np.asarray(padded(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    pixels = normalised(square[None] / 255, models.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, images=pixels.to(model.dtype))["logits"][0, -1, words]
    return float(logits.double().softmax(0).cpu() @ torch.arange(5.0, 0.0, -1.0, dtype=torch.float64))


def padded(picture: np.ndarray) -> Image.Image:
    """The picture amid a square of CLIP's mean colour."""
    image = Image.fromarray(to_8bit(picture))
    side = max(image.size)
    square = Image.new("RGB", (side, side), tuple(int(m * 255) for m in MEAN))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def prompt_ids(tokenizer, task: str):
    """[1, L] token ids, the picture's place marked by IMAGE_TOKEN; one start token."""
    import torch

    before, after = (tokenizer(part)["input_ids"] for part in PROMPT.format(task=task).split("<|image|>"))
    return torch.tensor([[*before, IMAGE_TOKEN, *after[1:]]])


def _load(path: Path, device: str):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        dtype = torch.float16 if device != "cpu" else torch.float32
        options = {"trust_remote_code": True, "local_files_only": True}
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **options).eval().to(device)
        return model, AutoTokenizer.from_pretrained(path, **options)
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"Q-Align cannot be loaded: {error}", file=path) from error
