"""Small deterministic stand-ins for models that see one view at a time."""

import numpy as np

from skyworld.models.roles import Provenance


class Painter:
    """Paints every direction of the world in a colour of its own, `shift` away from the truth; counts its views."""

    schedule = "anchored"

    def __init__(self, world=None, shift=0.0, stop_after=None, version="1"):
        self.provenance = Provenance("inpainter", "painter", version, "none", False)
        self.world, self.shift, self.stop_after, self.views = world or rainbow, shift, stop_after, []

    def begin(self, photograph):
        self.photograph = photograph

    def inpaint(self, view):
        if self.stop_after is not None and len(self.views) == self.stop_after:
            raise KeyboardInterrupt
        self.views.append(view)
        return (self.world(view.camera.rays()) + self.shift).clip(0, 1).astype(np.float32)


class Dreamer:
    """A stand-in for a text-to-image model: a rainbow for every prompt; its refinement makes all a little brighter."""

    provenance = Provenance("text_to_image", "dreamer", "1", "none", False)

    def __init__(self, panoramic=False, brighter=0.1):
        self.panoramic, self.brighter, self.asked = panoramic, brighter, []

    def imagine(self, prompt, width, height, *, seed, negative=""):
        self.asked.append((prompt, width, height))
        ramp = np.linspace(0.2, 0.8, width, dtype=np.float32)
        return np.repeat(np.broadcast_to(ramp, (height, width))[..., None], 3, 2)

    def refine(self, picture, prompt, *, strength, seed, negative=""):
        self.asked.append((prompt, strength))
        return picture + self.brighter


def rainbow(rays):
    """Smooth colours [..., 3] of directions [..., 3], without a seam."""
    return 0.5 + 0.25 * rays
