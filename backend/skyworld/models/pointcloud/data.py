"""Pairs to train on: what is known of a view, and the view. From posed pictures with depth, or from single pictures."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from skyworld.camera import Camera, turned
from skyworld.errors import UserError
from skyworld.models.pointcloud.warp import forward, forward_backward
from skyworld.models.roles import DepthEstimator
from skyworld.progress import Progress
from skyworld.splats.dataset import read_dataset
from skyworld.world.files import atomic_write, mendable
from skyworld.world.pictures import load_picture

PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
# A pair is of use where this much of the view is known, and not all of it.
LEAST_KNOWN, MOST_KNOWN = 0.25, 0.985
# The sky's distance, in median depths.
SKY = 50.0
# How far a view is moved: share of the median depth, radians.
STEP, TURN = 0.35, 0.25


@dataclass(frozen=True)
class Posed:
    """A picture [H, W, 3] with depth [H, W] (camera z, metres; 0: not known), its camera and its prompt."""

    picture: np.ndarray
    depth: np.ndarray
    camera: Camera
    prompt: str = ""


@dataclass(frozen=True)
class Pairs:
    """condition: [N, H, W, 4] uint8, warped colours and known (255).  target: [N, H, W, 3] uint8.  prompts: [N]."""

    condition: np.ndarray
    target: np.ndarray
    prompts: list[str]

    def __len__(self) -> int:
        return len(self.target)

    def write(self, path: Path) -> None:
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            prompts = np.array(self.prompts, dtype=str)
            np.savez_compressed(file, condition=self.condition, target=self.target, prompts=prompts)

    @classmethod
    def read(cls, path: Path) -> "Pairs":
        hint = "Give an NPZ with condition [N, H, W, 4], target [N, H, W, 3] and prompts [N]"
        try:
            with mendable(path), np.load(path, allow_pickle=False) as data:
                pairs = cls(data["condition"], data["target"], [str(prompt) for prompt in data["prompts"]])
        except (ValueError, KeyError, EOFError) as error:
            raise UserError("holds no pairs", file=path, hint=hint) from error
        count, height, width = pairs.target.shape[:3]
        if pairs.condition.shape != (count, height, width, 4) or len(pairs.prompts) != count or not count:
            raise UserError("its pairs are not of one size", file=path, hint=hint)
        return pairs


def read_posed(folder: Path, size: int, *, estimator: DepthEstimator | None = None, prompt: str = "") -> list[Posed]:
    """The pictures of a folder, cut to a square of `size` px about their middle.

    With transforms.json they come with poses, and with depth where it is there; otherwise, and for single pictures
    (60 degrees wide, each at a place of its own), `estimator` measures it. A text beside a picture, of the same name
    with .txt, is its prompt.
    """
    if (folder / "transforms.json").is_file():
        dataset = read_dataset(folder)
        depths = dataset.depths or [None] * len(dataset)
        rows = list(
            zip(dataset.pictures, depths, dataset.cameras, [folder / name for name in dataset.names], strict=True)
        )
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
        rows = [(load_picture(path)[0], None, None, path) for path in paths]
    if not rows:
        raise UserError("holds no pictures", file=folder, hint="Give posed pictures, or a folder of photographs")
    found = []
    for picture, depth, camera, path in rows:
        height, width = picture.shape[:2]
        camera = camera or Camera.pinhole(turned((0, 0, 0)), np.radians(60), width, height)
        if depth is None:
            if estimator is None:
                raise UserError(
                    "these pictures have no depth", file=folder, hint="Name a depth model: --depth HUB_ID_OR_FOLDER"
                )
            estimate = estimator.estimate(picture, camera)
            depth = np.where(estimate.valid, estimate.depth, np.inf)
        beside = path.with_suffix(".txt")
        words = beside.read_text(encoding="utf-8").strip() if beside.is_file() else prompt
        found.append(squared(Posed(picture, depth, camera, words), size))
    return found


def squared(posed: Posed, size: int) -> Posed:
    """The middle square of a picture at `size` x `size` px; what is infinitely far becomes a far shell."""
    height, width = posed.depth.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = np.s_[top : top + side, left : left + side]
    K = posed.camera.K.copy()
    K[:2, 2] -= (left, top)
    camera = replace(posed.camera, K=K, width=side, height=side).resized(size, size)
    picture = cv2.resize(posed.picture[cut], (size, size), interpolation=cv2.INTER_AREA)
    depth = np.where(np.isfinite(posed.depth), posed.depth, SKY * _median(posed.depth))[cut].astype(np.float32)
    depth = cv2.resize(depth, (size, size), interpolation=cv2.INTER_NEAREST)
    return replace(posed, picture=picture, depth=depth, camera=camera)


def imprecise(posed: Posed, amount: float, rng: np.random.Generator) -> Posed:
    """As a network would measure it: depth off by smooth noise and a factor, the pose by a turn and a shift.

    amount: 1 for 5 % of depth (each, one sigma), 0.6 degrees and 2 % of the median depth; 0 for the truth.
    """
    if not amount:
        return posed
    size = posed.depth.shape[0]
    noise = cv2.GaussianBlur(rng.normal(size=(size, size)), (0, 0), size / 10)
    factor = np.exp(amount * 0.05 * (noise / max(float(noise.std()), 1e-9) + rng.normal()))
    pose = posed.camera.camera_to_world.copy()
    pose[:3, :3] = pose[:3, :3] @ _turn(rng.normal(size=3) * amount * np.radians(0.6))
    pose[:3, 3] += rng.normal(size=3) * amount * 0.02 * _median(posed.depth)
    return replace(posed, depth=posed.depth * factor, camera=replace(posed.camera, camera_to_world=pose))


def moved(posed: Posed, rng: np.random.Generator) -> Camera:
    """A camera near that of the picture: what a walk of a third of the median depth shows."""
    pose = posed.camera.camera_to_world.copy()
    step = rng.normal(size=3)
    pose[:3, 3] += step / np.linalg.norm(step) * rng.uniform(0.2, 1) * STEP * _median(posed.depth)
    pose[:3, :3] = pose[:3, :3] @ _turn(rng.uniform(-TURN, TURN, 3) * (1, 1, 0.2))
    return replace(posed.camera, camera_to_world=pose)


def make_pairs(posed: list[Posed], count: int, seed: int, *, warp: str = "forward-backward", noise: float = 0.0):
    """A generator: yields progress, returns `Pairs`, up to `count` for each picture.

    warp:  "forward-backward" to random poses and to neighbours in the list, and back; or "forward", from neighbours
           (only for pictures of one scene, in the order of a walk).
    noise: see `imprecise`.
    """
    rng, rows = np.random.default_rng(seed), []
    for index, target in enumerate(posed):
        near = [i for i in range(max(0, index - 3), min(len(posed), index + 4)) if i != index]
        for _ in range(count):
            if warp == "forward":
                if not near:
                    break
                source = imprecise(posed[near[rng.integers(len(near))]], noise, rng)
                warped = forward(source.picture, source.depth, source.camera, target.camera)
            else:
                source = imprecise(target, noise, rng)
                other = posed[near[rng.integers(len(near))]].camera if near else None
                novel = moved(source, rng) if other is None or rng.random() < 0.5 else other
                warped = forward_backward(source.picture, source.depth, source.camera, novel)
            if LEAST_KNOWN < warped.known.mean() < MOST_KNOWN:
                rows.append((_eight(warped.picture), warped.known, _eight(target.picture), target.prompt))
        yield Progress((index + 1) / len(posed), f"{len(rows)} pairs")
    if not rows:
        raise UserError("no pair could be made of these pictures", hint="They need depth, and neighbours that overlap")
    condition = np.stack(
        [np.concatenate([colour, 255 * known[..., None].astype(np.uint8)], -1) for colour, known, *_ in rows]
    )
    return Pairs(condition, np.stack([row[2] for row in rows]), [row[3] for row in rows])


def _median(depth: np.ndarray) -> float:
    there = depth[np.isfinite(depth) & (depth > 0)]
    return float(np.median(there)) if there.size else 1.0


def _turn(angles: np.ndarray) -> np.ndarray:
    return cv2.Rodrigues(np.asarray(angles, np.float64))[0]


def _eight(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.round(picture * 255), 0, 255).astype(np.uint8)


def pairs_of(source: Path, size: int, **options) -> Iterator[Progress]:
    """Reads pairs (an NPZ), or makes them of a folder. A generator: yields progress, returns `Pairs` of `size` px."""
    if source.suffix == ".npz":
        pairs = Pairs.read(source)
        if pairs.target.shape[1:3] != (size, size):
            raise UserError(f"its pairs are {pairs.target.shape[1]} px wide", file=source, hint="Give that as the size")
        return pairs
    estimator, prompt = options.pop("estimator", None), options.pop("prompt", "")
    yield Progress(0.0, "reading pictures")
    posed = read_posed(source, size, estimator=estimator, prompt=prompt)
    return (yield from make_pairs(posed, **options))
