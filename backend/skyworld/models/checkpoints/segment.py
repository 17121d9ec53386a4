"""Segmenters: GroundingDINO or OWLv2 find boxes of what a phrase names, SAM 2.1 makes masks of them.

Their own preprocessing stands here in short, for transformers' wants torchvision.
"""

import numpy as np
import torch
from torch.nn.functional import interpolate

from skyworld.models import store
from skyworld.models.checkpoints import Checkpoint
from skyworld.models.checkpoints.held import IMAGENET, Held, load_model
from skyworld.models.settings import Settings

MASKS = "facebook/sam2.1-hiera-small"  # where none is named
MOST_BOXES = 16  # of one phrase, the surest
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


class BoxSegmenter(Held):
    """Implements roles.Segmenter. Subclasses find the boxes; the model of masks is the checkpoint's companion."""

    @classmethod
    def load(cls, checkpoint: Checkpoint, settings: Settings, device: torch.device) -> "BoxSegmenter":
        from transformers import AutoModelForZeroShotObjectDetection, AutoTokenizer, Sam2Model

        folder = checkpoint.folder
        detector = load_model(AutoModelForZeroShotObjectDetection, folder, checkpoint.name, settings, device)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        masks = load_model(Sam2Model, store.complete(checkpoint.lora or MASKS), MASKS, settings, device)
        return cls(checkpoint, settings, device, detector, masks, tokenizer)

    def __init__(self, checkpoint: Checkpoint, settings: Settings, device: torch.device, detector, masks, tokenizer):
        super().__init__(checkpoint, settings, device, detector, masks)
        self._tokenizer = tokenizer

    def segment(self, picture: np.ndarray, phrases: tuple[str, ...]) -> np.ndarray:
        """bool [len(phrases), H, W]."""
        found = np.zeros((len(phrases), *picture.shape[:2]), bool)
        with self.at_work() as (detector, masks):
            seen = None
            for number, phrase in enumerate(phrases):
                boxes = self._boxes(detector, picture, phrase)
                if len(boxes):
                    seen = seen or self._look(masks, picture)
                    found[number] = self._fill(masks, seen, boxes, picture.shape[:2])
        return found

    def _boxes(self, detector: torch.nn.Module, picture: np.ndarray, phrase: str) -> torch.Tensor:
        """[n, 4] left, top, right, bottom, as shares of the picture; the surest first."""
        raise NotImplementedError

    def _surest(self, scores: torch.Tensor, boxes: torch.Tensor, threshold: float) -> torch.Tensor:
        """scores [n], boxes [n, 4] centre and size -> the corners of those over the threshold."""
        scores, boxes = self.finite(scores, "a score"), boxes.float()
        order = torch.argsort(scores, descending=True)[:MOST_BOXES]
        chosen = boxes[order[scores[order] > threshold]]
        return torch.cat([chosen[:, :2] - chosen[:, 2:] / 2, chosen[:, :2] + chosen[:, 2:] / 2], 1).clamp(0, 1)

    def _look(self, masks: torch.nn.Module, picture: np.ndarray) -> list[torch.Tensor]:
        side = masks.config.vision_config.backbone_config.image_size
        side = tuple(side) if isinstance(side, (list, tuple)) else (side, side)
        return masks.get_image_embeddings(self.pixels(picture, side, *IMAGENET))

    def _fill(
        self, masks: torch.nn.Module, seen: list[torch.Tensor], boxes: torch.Tensor, size: tuple[int, int]
    ) -> np.ndarray:
        """bool [H, W]: what the boxes hold."""
        side = masks.prompt_encoder.image_embedding_size[0] * masks.config.prompt_encoder_config.patch_size
        told = (boxes * side)[None].to(self._device)
        logits = masks(image_embeddings=seen, input_boxes=told, multimask_output=False).pred_masks[0, :, 0]
        logits = interpolate(self.finite(logits, "a mask")[None], size, mode="bilinear", align_corners=False)[0]
        return (logits > 0).any(0).cpu().numpy()


class GroundingDino(BoxSegmenter):
    """arXiv 2303.05499. One phrase at a time, so that no box belongs to two."""

    threshold = 0.3

    def _boxes(self, detector, picture, phrase):
        height, width = picture.shape[:2]
        scale = min(800 / min(height, width), 1333 / max(height, width))
        size = (round(height * scale), round(width * scale))
        words = self._tokenizer(f"{phrase.lower().strip(' .')}.", return_tensors="pt").to(self._device)
        found = detector(pixel_values=self.pixels(picture, size, *IMAGENET), **words)
        scores = found.logits[0].float().sigmoid().amax(-1)  # over the words; those that are none have -inf
        return self._surest(scores, found.pred_boxes[0], self.threshold)


class Owl(BoxSegmenter):
    """OWLv2 (arXiv 2306.09683)."""

    threshold = 0.1

    def _boxes(self, detector, picture, phrase):
        height, width = picture.shape[:2]
        side = max(height, width)
        square = np.full((side, side, 3), 0.5, np.float32)  # the picture in the top left of a grey one
        square[:height, :width] = picture
        wanted = detector.config.vision_config.image_size
        length = detector.config.text_config.max_position_embeddings
        text = f"a photo of {phrase.lower().strip(' .')}"
        words = self._tokenizer(text, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        words = {name: words[name].to(self._device) for name in ("input_ids", "attention_mask")}
        found = detector(pixel_values=self.pixels(square, (wanted, wanted), *CLIP), **words)
        boxes = self._surest(found.logits[0, :, 0].sigmoid(), found.pred_boxes[0], self.threshold)
        return (boxes * boxes.new_tensor([side / width, side / height] * 2)).clamp(0, 1)
