"""The one store of Gaussians: named tensors, as 3D Gaussian Splatting (arXiv 2308.04079) optimises them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from skyworld.errors import UserError
from skyworld.splats import spherical_harmonics


@dataclass
class Gaussians:
    """N Gaussians in the world frame (metres).

    means:           [N, 3] float32.
    log_scales:      [N, 3] float32, natural logarithm of the standard deviations in metres.
    quats:           [N, 4] float32, wxyz, of any positive length; turn the axes of the Gaussian into the world.
    logit_opacities: [N] float32; the opacity is their sigmoid.
    sh:              [N, K, 3] float32, K = (degree + 1)^2, degree 0 to 3; colour = 0.5 + basis * sh, sRGB-encoded.
    extra:           further columns by name, each [N, ...].

    Raises ValueError where shapes do not fit each other.
    """

    means: Tensor
    log_scales: Tensor
    quats: Tensor
    logit_opacities: Tensor
    sh: Tensor
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self):
        count = len(self.means)
        wanted = {"means": (count, 3), "log_scales": (count, 3), "quats": (count, 4), "logit_opacities": (count,)}
        for name, shape in wanted.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(f"{name} has shape {tuple(getattr(self, name).shape)}, not {shape}")
        if self.sh.ndim != 3 or self.sh.shape[0] != count or self.sh.shape[2] != 3:
            raise ValueError(f"sh has shape {tuple(self.sh.shape)}, not ({count}, K, 3)")
        spherical_harmonics.degree_of(self.sh.shape[1])
        for name, column in self.extra.items():
            if len(column) != count:
                raise ValueError(f"the column {name!r} has {len(column)} rows, not {count}")

    def __len__(self) -> int:
        return len(self.means)

    @classmethod
    def empty(cls, degree: int = 0) -> "Gaussians":
        return cls(
            torch.zeros(0, 3),
            torch.zeros(0, 3),
            torch.zeros(0, 4),
            torch.zeros(0),
            torch.zeros(0, (degree + 1) ** 2, 3),
        )

    @property
    def sh_degree(self) -> int:
        return spherical_harmonics.degree_of(self.sh.shape[1])

    @property
    def device(self) -> torch.device:
        return self.means.device

    @property
    def nbytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for _, tensor in self.tensors())

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """(name, tensor) of every column, the extra ones last."""
        for name in NAMES:
            yield name, getattr(self, name)
        yield from self.extra.items()

    def mapped(self, function) -> "Gaussians":
        """The same columns, each passed through `function`."""
        columns = {name: function(getattr(self, name)) for name in NAMES}
        return Gaussians(**columns, extra={name: function(column) for name, column in self.extra.items()})

    def to(self, device) -> "Gaussians":
        return self.mapped(lambda tensor: tensor.to(device))

    def detached(self) -> "Gaussians":
        return self.mapped(Tensor.detach)

    def __getitem__(self, rows) -> "Gaussians":
        """A subset: a slice, a boolean mask [N] or indices."""
        return self.mapped(lambda tensor: tensor[rows])

    def transformed(self, matrix: np.ndarray) -> "Gaussians":
        """Moved by `matrix` [4, 4]: rotation, one scale for all axes, translation. Turns the harmonics too.

        Raises UserError for a matrix that shears, mirrors or scales unevenly: Gaussians cannot follow it.
        """
        matrix = np.asarray(matrix, np.float64)
        scale = np.cbrt(np.linalg.det(matrix[:3, :3]))
        rotation = matrix[:3, :3] / scale if scale > 0 else np.zeros((3, 3))
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4):
            raise UserError(
                "Gaussians can be moved, turned and scaled evenly, but not mirrored, sheared or stretched",
                hint="Apply an even scale to the object",
            )
        turn, shift = (torch.from_numpy(part).to(self.means) for part in (matrix[:3, :3], matrix[:3, 3]))
        return replace(
            self,
            means=self.means @ turn.T + shift,
            log_scales=self.log_scales + float(np.log(scale)),
            quats=quaternion_product(torch.from_numpy(quaternion(rotation)).to(self.quats), self.quats),
            sh=spherical_harmonics.rotated(self.sh, rotation),
        )

    @staticmethod
    def concatenate(parts: Sequence["Gaussians"]) -> "Gaussians":
        """One after the other. The highest degree of harmonics rules; extra columns must be in every part."""
        if not parts:
            return Gaussians.empty()
        count = max(part.sh.shape[1] for part in parts)
        padded = [torch.nn.functional.pad(part.sh, (0, 0, 0, count - part.sh.shape[1])) for part in parts]
        shared = [name for name in parts[0].extra if all(name in part.extra for part in parts)]
        return Gaussians(
            **{name: torch.cat([getattr(part, name) for part in parts]) for name in NAMES if name != "sh"},
            sh=torch.cat(padded),
            extra={name: torch.cat([part.extra[name] for part in parts]) for name in shared},
        )

    def non_finite(self) -> tuple[Tensor, str] | None:
        """None, or which Gaussians [N] hold NaN or infinite values, and a sentence that counts them by column."""
        columns = {name: getattr(self, name).detach() for name in NAMES}
        # Finite sums have finite terms only: one pass without a mask, one wait for the GPU.
        if torch.isfinite(torch.stack([column.sum() for column in columns.values()])).all():
            return None
        bad, counts = torch.zeros(len(self), dtype=torch.bool, device=self.device), []
        for name, column in columns.items():
            parts = [part.reshape(len(part), -1) for part in column.split(_ROWS)]
            rows = torch.cat([~torch.isfinite(part).all(1) for part in parts])
            bad |= rows
            if rows.any():
                counts.append(f"{name} of {int(rows.sum()):,}")
        # A sum of large numbers may overflow without a bad one among them.
        return (bad, f"NaN or infinite values in {', '.join(counts)} of {len(self):,} Gaussians") if counts else None

    def refuse_non_finite(self) -> None:
        """Raises UserError that names each column with NaN or infinite values and counts its Gaussians."""
        if found := self.non_finite():
            raise UserError(found[1], hint="Remove those Gaussians, or load the splats from before the damage")

    def without_non_finite(self) -> tuple["Gaussians", int]:
        """Those without NaN and infinite values, and how many are left out."""
        found = self.non_finite()
        return (self[~found[0]], int(found[0].sum())) if found else (self, 0)


_ROWS = 1 << 14  # looked at together for NaN
NAMES = ("means", "log_scales", "quats", "logit_opacities", "sh")


def quaternion_product(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product of wxyz quaternions [..., 4]: turns by b first, then by a."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


def rotation_matrices(quats: Tensor) -> Tensor:
    """wxyz quaternions [..., 4] of any length -> [..., 3, 3]; differentiable."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def quaternion(rotations: np.ndarray) -> np.ndarray:
    """Rotation matrices [..., 3, 3] -> wxyz unit quaternions [..., 4] (Shepperd's method: the largest part first)."""
    m = np.asarray(rotations)
    trace = np.trace(m, axis1=-2, axis2=-1)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    squares = np.concatenate([1 + trace[..., None], 1 - trace[..., None] + 2 * diagonal], -1)  # 4 w^2, 4 x^2, ...
    wx, wy, wz = (m[..., i, j] - m[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0)))
    xy, xz, yz = (m[..., i, j] + m[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    s0, s1, s2, s3 = np.moveaxis(squares, -1, 0)
    candidates = ((s0, wx, wy, wz), (wx, s1, xy, xz), (wy, xy, s2, yz), (wz, xz, yz, s3))
    largest = squares.argmax(-1)
    best = np.stack([np.choose(largest, column) for column in zip(*candidates, strict=True)], -1)
    return best / np.linalg.norm(best, axis=-1, keepdims=True)
