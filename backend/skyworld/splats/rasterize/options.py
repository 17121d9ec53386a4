"""What the two devices agree on: how to draw, and what densification wants to know about each Gaussian."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Standing:
    """Tensors on the GPU that stay in place while a CUDA graph replays a step; their values change.

    K [1, 3, 3], world_to_camera [1, 4, 4], position [1, 3]: of the one camera.
    tally:    [1] int32, raised to the number of (Gaussian, tile) pairs that the picture has.
    capacity: how many pairs there is room for; None to count them first.
    """

    K: Tensor
    world_to_camera: Tensor
    position: Tensor
    tally: Tensor
    capacity: int | None = None


@dataclass(frozen=True)
class Options:
    """How C cameras draw N Gaussians; checked by `rasterize`.

    sh_degree:       bands of the harmonics to use, at most those that there are.
    antialiased:     thin Gaussians smaller than a pixel instead of widening them (Mip-Splatting, arXiv 2311.16493).
    eps2d:           px^2 added to the covariance in the picture.
    colours:         [N, 3] or [C, N, 3] instead of the harmonics, or None.
    surfels:         the third scale counts as 0: flat Gaussians.
    normals:         whether the image has three more channels, the normal in the world.
    world_to_camera: [C, 4, 4] instead of the poses of the cameras, or None.
    footprints:      whether to return them.
    depth:           whether the image has depth: without it (and normals) the GPU saves a channel.
    standing:        replaces the camera's numbers on the GPU, or None.
    """

    sh_degree: int
    antialiased: bool = False
    eps2d: float = 0.3
    colours: Tensor | None = None
    surfels: bool = False
    normals: bool = False
    world_to_camera: Tensor | None = None
    footprints: bool = False
    depth: bool = True
    standing: Standing | None = None

    def colours_of(self, camera: int) -> Tensor | None:
        """[N, 3] of one camera, or None where the harmonics rule."""
        return self.colours if self.colours is None or self.colours.ndim == 2 else self.colours[camera]


@dataclass(frozen=True)
class Footprints:
    """What each of N Gaussians is in the picture of each of C cameras.

    radii:    [C, N] px, three sigmas of the longer axis with eps2d; 0 where it is not drawn.
    gradient: [C, N, 2] d loss / d mean in the picture, per px. Filled in place by `loss.backward()`.
    absolute: [C, N, 2] sum over the pixels of |d loss / d mean| (AbsGS, arXiv 2404.10484). Filled likewise.

    Both gradients are 0 where nothing is drawn.
    """

    radii: Tensor
    gradient: Tensor
    absolute: Tensor

    def first(self, count: int) -> "Footprints":
        """Of the first so many Gaussians; still filled by `loss.backward()`."""
        return Footprints(self.radii[:, :count], self.gradient[:, :count], self.absolute[:, :count])

    def of_camera(self, camera: int) -> "Footprints":
        """In the picture of one camera, [N] and [N, 2]; still filled by `loss.backward()`."""
        return Footprints(self.radii[camera], self.gradient[camera], self.absolute[camera])
