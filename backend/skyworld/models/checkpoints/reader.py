"""Words and a picture as Qwen2.5-VL reads them; transformers' own processor wants torchvision, for films."""

from pathlib import Path

TOKEN = "<|image_pad|>"


class PictureReader:
    """Stands for `Qwen2VLProcessor` where each prompt comes with one picture."""

    def __init__(self, pictures, tokenizer):
        self._pictures, self._tokenizer = pictures, tokenizer

    @classmethod
    def of(cls, folder: Path, tokenizer):
        """folder: the pipeline's folder "processor"."""
        import transformers

        kind = getattr(transformers, "Qwen2VLImageProcessorPil", transformers.Qwen2VLImageProcessor)
        return cls(kind.from_pretrained(folder, local_files_only=True), tokenizer)

    def __call__(self, text: list[str], images, padding=True, return_tensors="pt"):
        """input_ids, attention_mask, pixel_values, image_grid_thw; a picture takes a token for each merged patch."""
        from transformers import BatchFeature

        seen = self._pictures(images=images, return_tensors=return_tensors)
        tokens = int(seen["image_grid_thw"][0].prod()) // self._pictures.merge_size**2
        worded = [prompt.replace(TOKEN, tokens * TOKEN) for prompt in text]
        return BatchFeature({**self._tokenizer(worded, padding=padding, return_tensors=return_tensors), **seen})
