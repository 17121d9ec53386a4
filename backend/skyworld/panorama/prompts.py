"""The words for each part of the sphere (Recipe section 2.4): no view is asked for what stands in the photograph."""

from dataclasses import dataclass

from skyworld.models.roles import Description

# (sky or ceiling, ground or floor) where no captioner has told.
PLAIN = {"outdoor": ("open sky", "the ground"), "indoor": ("plain ceiling", "the floor")}


@dataclass(frozen=True)
class Prompts:
    """One text a region of `InpaintView`. negative: what shall not be seen anywhere."""

    sky: str
    horizon: str
    ground: str
    whole: str
    negative: str = ""

    def of(self, region: str) -> str:
        return getattr(self, region)


def wording(description: Description | None, prompt: str, outdoor: bool) -> Prompts:
    """The artist's prompt stands in for the atmosphere; without a description sky and ground are named plainly."""
    if description is None:
        scene = "outdoor" if outdoor else "indoor"
        description = Description(scene, "", *PLAIN[scene])
    atmosphere = prompt or description.atmosphere
    return Prompts(
        sky=_joined(description.sky, atmosphere),
        horizon=atmosphere,
        ground=_joined(description.ground, atmosphere),
        whole=_joined("360 degree equirectangular panorama", atmosphere),
        negative=description.negative,
    )


def _joined(*parts: str) -> str:
    return ", ".join(part.strip().rstrip(".,") for part in parts if part.strip())
