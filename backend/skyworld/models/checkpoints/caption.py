"""Captioners: small models that see and speak, asked for the prompts of Recipe section 2.4 as one JSON object."""

import ast
import inspect
import json
import re
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from skyworld.errors import UserError
from skyworld.models.checkpoints import Checkpoint
from skyworld.models.checkpoints.held import Held, load_model
from skyworld.models.roles import Description
from skyworld.models.settings import Settings

SIDE = 768  # pixels of the longer side that is shown: an atmosphere needs no more
WORDS = 400  # tokens of an answer
LONGEST = 600  # characters of one prompt

QUESTION = """Describe the place in this picture, so that a painter can continue it in all directions.
Leave out people, animals and whatever stands in the middle. Answer with one JSON object and nothing else:
{"scene_type": "outdoor" or "indoor",
 "atmosphere": the place, its style, light, weather, time of day and materials, in one sentence,
 "sky_or_ceiling": only what is seen when one looks straight up, in one sentence,
 "ground_or_floor": only what is seen when one looks straight down, in one sentence,
 "negative": what must not appear, a few words}"""
AGAIN = "That was not the JSON object asked for: {problem}. Answer again, with that one JSON object only."


class VisionLanguageCaptioner(Held):
    """Implements roles.Captioner over transformers' AutoModelForImageTextToText: Qwen-VL and SmolVLM families."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device) -> "VisionLanguageCaptioner":
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

        folder = checkpoint.folder
        model = load_model(AutoModelForImageTextToText, folder, checkpoint.name, settings, device)
        # Their whole processors want torchvision, for films; pictures need these two only.
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenizer.chat_template = tokenizer.chat_template or _template(folder)
        images = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        return cls(checkpoint, settings, device, model, tokenizer, images)

    def __init__(self, checkpoint: Checkpoint, settings: Settings, device: torch.device, model, tokenizer, images):
        super().__init__(checkpoint, settings, device, model)
        self._tokenizer, self._images = tokenizer, images
        self._inputs: Callable = _smol_inputs if checkpoint.architecture in ("smolvlm", "idefics3") else _qwen_inputs

    def describe(self, picture: np.ndarray) -> Description:
        """picture [H, W, 3]. Asks once more where the answer is not what was asked for; UserError after that."""
        shown = Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
        shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        turns = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}]
        answer = self._answer(shown, turns)
        try:
            return read_description(answer)
        except ValueError as problem:
            turns.append({"role": "assistant", "content": [{"type": "text", "text": answer[:LONGEST]}]})
            turns.append({"role": "user", "content": [{"type": "text", "text": AGAIN.format(problem=problem)}]})
        try:
            return read_description(self._answer(shown, turns))
        except ValueError as problem:
            raise UserError(
                f"{self.provenance.name} did not describe the picture, asked twice ({problem})",
                hint="Choose another captioner, or builtin and word the prompt yourself",
            ) from problem

    def _answer(self, picture: Image.Image, turns: list[dict]) -> str:
        text = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        with self.at_work() as (model,):
            inputs = self._inputs(model, self._tokenizer, self._images, text, picture)
            inputs = {name: self._there(value) for name, value in inputs.items()}
            found = model.generate(**inputs, max_new_tokens=WORDS, do_sample=False)
        return self._tokenizer.decode(found[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)

    def _there(self, value: torch.Tensor) -> torch.Tensor:
        precision = self._settings.dtype if value.is_floating_point() else value.dtype
        return value.to(self._device, precision)


def read_description(answer: str) -> Description:
    """The description in a model's answer, whatever stands around it. ValueError says what is amiss."""
    found = _object(answer)
    scene = str(found.get("scene_type", found.get("scene", ""))).strip().lower()
    scenes = [name for name in ("outdoor", "indoor") if name in scene]
    if len(scenes) != 1:
        raise ValueError(f"scene_type is {scene[:40]!r}, not outdoor or indoor")
    texts = {key: _text(found.get(key, "")) for key in ("atmosphere", "sky_or_ceiling", "ground_or_floor", "negative")}
    for key in ("atmosphere", "sky_or_ceiling", "ground_or_floor"):
        if len(re.findall(r"\w{2,}", texts[key])) < 2 or texts[key] in QUESTION:
            raise ValueError(f"{key} is {texts[key][:40]!r}, which describes nothing")
    return Description(
        scenes[0], texts["atmosphere"], texts["sky_or_ceiling"], texts["ground_or_floor"], texts["negative"]
    )


def _object(answer: str) -> dict:
    """The first {...} after what the model thought aloud; single quotes and trailing commas are forgiven."""
    answer = answer.rsplit("</think>", 1)[-1]
    start, stop = answer.find("{"), answer.rfind("}")
    if start < 0 or stop < start:
        raise ValueError("it has no { ... }")
    body = re.sub(r",\s*([}\]])", r"\1", answer[start : stop + 1])
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(body)
        except (ValueError, SyntaxError):
            continue
        if isinstance(found, dict):
            return found
    raise ValueError("its { ... } is not JSON")


def _text(value) -> str:
    """One line, at most LONGEST characters, cut at the end of a word."""
    text = " ".join((", ".join(map(str, value)) if isinstance(value, list) else str(value)).split())
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0]


def _qwen_inputs(model, tokenizer, images, text: str, picture: Image.Image) -> dict[str, torch.Tensor]:
    """Qwen2-VL to Qwen3.5: as many <|image_pad|> as there are merged patches."""
    seen = images(images=[picture], return_tensors="pt")
    count = int(seen["image_grid_thw"][0].prod()) // images.merge_size**2
    token = tokenizer.convert_ids_to_tokens(model.config.image_token_id)
    words = tokenizer(text.replace(token, token * count, 1), add_special_tokens=False, return_tensors="pt")
    inputs = {name: words[name] for name in ("input_ids", "attention_mask")} | dict(seen)
    if "mm_token_type_ids" in inspect.signature(model.forward).parameters:
        inputs["mm_token_type_ids"] = (inputs["input_ids"] == model.config.image_token_id).int()
    return inputs


def _smol_inputs(model, tokenizer, images, text: str, picture: Image.Image) -> dict[str, torch.Tensor]:
    """SmolVLM, Idefics3: the picture as a whole, not in pieces."""
    seen = images(images=[[picture]], do_image_splitting=False, return_tensors="pt")
    vision = model.config.vision_config
    count = (vision.image_size // vision.patch_size) ** 2 // model.config.scale_factor**2
    token = tokenizer.convert_ids_to_tokens(model.config.image_token_id)
    expanded = f"<fake_token_around_image><global-img>{token * count}<fake_token_around_image>"
    words = tokenizer(text.replace(token, expanded, 1), add_special_tokens=False, return_tensors="pt")
    kept = ("pixel_values", "pixel_attention_mask")
    return {name: words[name] for name in ("input_ids", "attention_mask")} | {k: seen[k] for k in kept if k in seen}


def _template(folder) -> str:
    """The chat template where older checkpoints keep it."""
    file = folder / "chat_template.json"
    if not file.is_file():
        raise UserError("has no chat template, so it cannot be asked", file=folder, hint="Choose an -Instruct model")
    return json.loads(file.read_text(encoding="utf-8"))["chat_template"]
