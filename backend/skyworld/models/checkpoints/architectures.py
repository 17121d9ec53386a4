"""How the pipelines of diffusers differ: what each is asked, in which words, at which sizes, with which defaults."""

import math
from collections.abc import Callable
from dataclasses import dataclass

MEGAPIXEL = 1024 * 1024


@dataclass(frozen=True)
class Architecture:
    """pipeline: class in diffusers that the checkpoint is loaded as.

    embed:    (pipeline, prompt, negative or None where there is no guidance, picture, device) -> the arguments that
              stand for the words. looks: it sees the picture too, so that nothing can be kept for the next one.
    steps, guidance: the model card's. quick: the same where the checkpoint is distilled.
    guide:    name of the guidance's argument.  unguided: guidance up to which there is no second, negative pass.
    cell:     pixels of one token, of which sides must be multiples.
    most:     pixels of the largest picture worked on.  exact: always about as many.
    flow:     rectified flow, whose start can be put at any noise level; else the scheduler's own steps are used.
    strongest: of `strength`; noise to the end is not what Stable Diffusion XL was trained from.
    wording:  for models that take instructions, how a description becomes one.
    refine:   class of the same components that starts from a picture.
    source:   guidance of the source prompt where pictures are edited by FlowEdit; `guidance` is then the target's.
    """

    pipeline: str
    embed: Callable
    steps: int
    guidance: float
    quick: tuple[int, float] | None = None
    guide: str = "guidance_scale"
    unguided: float = 1.0
    cell: int = 16
    most: int = 2 * MEGAPIXEL
    exact: bool = False
    flow: bool = True
    strongest: float = 1.0
    looks: bool = False
    wording: str = "{}"
    refine: str = ""
    source: float = 1.0

    def defaults(self, pipeline) -> tuple[int, float]:
        """Steps and guidance for this checkpoint."""
        return self.quick if self.quick and _distilled(pipeline) else (self.steps, self.guidance)

    def denoising(self, steps: int, strength: float) -> dict:
        """The arguments for the last `strength` of so many steps.

        Few steps cannot be split: three tenths of four would be one or two. A flow is started at that level of noise
        instead, before the scheduler's shift, and takes its share of the steps from there.
        """
        strength = min(strength, self.strongest)
        if not self.flow:
            return {"num_inference_steps": max(steps, math.ceil(1 / strength)), "strength": strength}
        count = max(1, math.ceil(steps * strength - 1e-6))
        if strength == 1:
            return {"num_inference_steps": count, "strength": 1.0}
        sigmas = [strength * (1 - i / count) for i in range(count)]
        return {"num_inference_steps": count, "strength": 1.0, "sigmas": sigmas}

    def working_size(self, height: int, width: int, margin: int = 0) -> tuple[int, int]:
        """Height and width that a picture is brought to before it is padded: to whole cells, and `margin` px a side."""
        if self.exact:  # as Qwen-Image-Edit's pipeline does
            across = math.sqrt(MEGAPIXEL * width / height)
            return round(across * height / width / 32) * 32, round(across / 32) * 32
        area, edge = height * width, margin * height  # area scale^2 + 2 edge scale = most
        scale = (math.sqrt(edge**2 + area * self.most) - edge) / area
        if scale >= 1:
            return height, width
        return tuple(max(1, int(side * scale / self.cell)) * self.cell for side in (height, width))


def _distilled(pipeline) -> bool:
    """FLUX.2 klein says so itself; FLUX.1 schnell is the one without guidance embeddings."""
    if "is_distilled" in pipeline.config:
        return pipeline.config.is_distilled
    return not getattr(pipeline.transformer.config, "guidance_embeds", True)


def _stable_diffusion(pipe, prompt, negative, picture, device):
    embeds, against = pipe.encode_prompt(prompt, device, 1, negative is not None, negative_prompt=negative)
    return {"prompt_embeds": embeds, "negative_prompt_embeds": against}


def _stable_diffusion_xl(pipe, prompt, negative, picture, device):
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    found = pipe.encode_prompt(
        prompt, device=device, do_classifier_free_guidance=negative is not None, negative_prompt=negative or None
    )
    return dict(zip(names, found, strict=True))


def _flux(pipe, prompt, negative, picture, device):
    embeds, pooled, _ = pipe.encode_prompt(prompt, None, device=device)
    return {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}


def _stable_diffusion_3(pipe, prompt, negative, picture, device):
    names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    guided = negative is not None
    found = pipe.encode_prompt(
        prompt, None, None, device, do_classifier_free_guidance=guided, negative_prompt=negative or None
    )
    return dict(zip(names, found, strict=True))


def _flux2(pipe, prompt, negative, picture, device):
    words = {"prompt_embeds": pipe.encode_prompt(prompt, device=device)[0]}
    if negative is not None:
        words["negative_prompt_embeds"] = pipe.encode_prompt(negative, device=device)[0]
    return words


def _qwen(pipe, prompt, negative, picture, device):
    return _qwen_words(lambda text: pipe.encode_prompt(text, device=device)[0], prompt, negative)


def _qwen_edit(pipe, prompt, negative, picture, device):
    return _qwen_words(lambda text: pipe.encode_prompt(text, image=picture, device=device)[0], prompt, negative)


def _qwen_words(encode, prompt, negative):
    words = {"prompt_embeds": encode(prompt)}
    if negative is not None:
        words["negative_prompt_embeds"] = encode(negative or " ")
    masks = {f"{name}_mask": embeds.new_ones(embeds.shape[:2]).long() for name, embeds in words.items()}
    return words | masks


def _z_image(pipe, prompt, negative, picture, device):
    embeds, against = pipe.encode_prompt(prompt, device, negative is not None, negative)
    return {"prompt_embeds": embeds, "negative_prompt_embeds": against}


EDIT = "Replace the blurred part of this picture and keep the rest as it is. The whole picture shows: {}"

_SD = dict(embed=_stable_diffusion, steps=30, guidance=7.5, cell=8, most=MEGAPIXEL, flow=False)
_SDXL = dict(_SD, embed=_stable_diffusion_xl, most=2 * MEGAPIXEL, strongest=0.9999)
_KLEIN = dict(embed=_flux2, steps=50, guidance=4.0, quick=(4, 1.0), most=MEGAPIXEL)
_QWEN = dict(embed=_qwen, steps=50, guidance=4.0, guide="true_cfg_scale")
_QWEN_EDIT = dict(_QWEN, embed=_qwen_edit, looks=True, exact=True, wording=EDIT)
_Z_IMAGE = dict(embed=_z_image, steps=8, guidance=0.0, unguided=0.0)

_KLEIN_INPAINT = Architecture("Flux2KleinInpaintPipeline", **_KLEIN, wording=EDIT)
_QWEN_INPAINT = Architecture("QwenImageInpaintPipeline", **_QWEN)
_QWEN_EDIT_INPAINT = Architecture("QwenImageEditInpaintPipeline", **_QWEN_EDIT)
_Z_IMAGE_INPAINT = Architecture("ZImageInpaintPipeline", **_Z_IMAGE)

INPAINT: dict[str, Architecture] = {
    "StableDiffusionInpaintPipeline": Architecture("StableDiffusionInpaintPipeline", **_SD),
    "StableDiffusionXLInpaintPipeline": Architecture("StableDiffusionXLInpaintPipeline", **_SDXL),
    "FluxFillPipeline": Architecture("FluxFillPipeline", embed=_flux, steps=50, guidance=30.0, unguided=math.inf),
    "Flux2KleinPipeline": _KLEIN_INPAINT,
    "Flux2KleinInpaintPipeline": _KLEIN_INPAINT,
    "QwenImagePipeline": _QWEN_INPAINT,
    "QwenImageInpaintPipeline": _QWEN_INPAINT,
    "QwenImageEditPipeline": _QWEN_EDIT_INPAINT,
    "QwenImageEditPlusPipeline": _QWEN_EDIT_INPAINT,
    "QwenImageEditInpaintPipeline": _QWEN_EDIT_INPAINT,
    "ZImagePipeline": _Z_IMAGE_INPAINT,
    "ZImageInpaintPipeline": _Z_IMAGE_INPAINT,
}

TEXT_TO_IMAGE: dict[str, Architecture] = {
    "StableDiffusionPipeline": Architecture("StableDiffusionPipeline", **_SD, refine="StableDiffusionImg2ImgPipeline"),
    "StableDiffusionXLPipeline": Architecture(
        "StableDiffusionXLPipeline", **_SDXL, refine="StableDiffusionXLImg2ImgPipeline"
    ),
    "FluxPipeline": Architecture(
        "FluxPipeline", _flux, 28, 3.5, quick=(4, 0.0), unguided=math.inf, refine="FluxImg2ImgPipeline"
    ),
    "Flux2KleinPipeline": Architecture("Flux2KleinPipeline", **_KLEIN, refine="Flux2KleinInpaintPipeline"),
    "QwenImagePipeline": Architecture("QwenImagePipeline", **_QWEN, refine="QwenImageImg2ImgPipeline"),
    "ZImagePipeline": Architecture("ZImagePipeline", **_Z_IMAGE, refine="ZImageImg2ImgPipeline"),
}

# Edited by FlowEdit. Guidance of FLUX.1 as Skyfall-GS, of Stable Diffusion 3 as FlowEdit has it; for the others none is
# published: they take their card's for the target and a quarter as far from none for the source.
EDIT: dict[str, Architecture] = {
    "FluxPipeline": Architecture("FluxPipeline", _flux, 28, 5.5, quick=(28, 1.0), unguided=math.inf, source=1.5),
    "Flux2KleinPipeline": Architecture("Flux2KleinPipeline", **(_KLEIN | dict(quick=(28, 1.0), source=1.75))),
    "QwenImagePipeline": Architecture("QwenImagePipeline", **_QWEN, source=1.75),
    "StableDiffusion3Pipeline": Architecture("StableDiffusion3Pipeline", _stable_diffusion_3, 28, 13.5, source=3.5),
    "ZImagePipeline": Architecture("ZImagePipeline", **_Z_IMAGE, source=0.0),
}
