"""The Recipe's choices one against the other, on panoramas with true distance that the project renders itself.

    .venv/bin/python benchmarks/recipe.py --json OUT.json [--weights FOLDER] [--models 16gb]

takes the room, street, park and village beside the tests (1024 px, distance 512 px); another FOLDER is made so:

    .venv/bin/python benchmarks/scenes/panoramas.py FOLDER --seeds 12 13 --scenes room street park village

1. Order: anchored, sequential, ad hoc. Without --models the inpainter is an oracle: it paints the true panorama with
   errors that a real model makes. It goes on with the error of what it sees, and the farther from that it paints, the
   more a smooth random error of its own in tone and place grows. So drift, seams and the closing of the circle can be
   measured; what the oracle cannot show is that a model knows perspective pictures better than equirectangular ones,
   and that it repeats the photograph's subject: ad hoc looks better here than it is. --models asks the checkpoints of
   a profile instead (they must be downloaded).
   psnr: against the truth outside of the photograph, dB by solid angle (of the oracle only).  closure: step of the
   error across the line where the circle closes over that between other columns, about the horizon.  worst: the same
   of the worst line.  poles: mean error within 30 degrees of them.  repetition: highest autocorrelation of the horizon.
   BRISQUE, NIQE, CLIP-I and Q-Align are of six views, where --weights has theirs.
2. Merge: error of the distance merged from crops: perfect ones, ones with a factor of their own each (standard
   deviation of its log 0.2; the mean is left out of the error), and ones that bend besides.
3. Fusion: a metric model (blurred truth, metres off by 5 % a view), a sharp one (true edges, any factor a view; its
   metres come from an eye height that is guessed 10 % too high) and both together, scaled by the median ratio or as
   the Recipe has it by the spreads. edges: the error where distance jumps by more than a fifth from pixel to pixel.
The distortion field has a script of its own, distortion.py.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from distance import read_truth

from skyworld.camera import Camera, resample_view, turned
from skyworld.evaluate.panorama import row_weights
from skyworld.evaluate.registry import Skipped, measure
from skyworld.lift.fusion import FusedDepth, spread_ratio
from skyworld.lift.merge import PanoramaDistance
from skyworld.models.builtin.panorama import BuiltinInpainter
from skyworld.models.builtin.pyramid import pull_push
from skyworld.models.roles import DepthEstimate, Photograph, Provenance
from skyworld.panorama.generate import generate
from skyworld.panorama.measure import repetition
from skyworld.panorama.photograph import analyse
from skyworld.panorama.schedule import HEURISTICS, SIDE

VIEWS = [(yaw, 0) for yaw in (0, 90, 180, -90)] + [(0, 60), (0, -60)]  # yaw, pitch in degrees
METRICS = ("brisque", "niqe", "qalign_quality", "clip_i")
TONE, PLACE, REACH = 0.12, 1.5, 30.0  # errors far from what is seen: 0..1, degrees; degrees over which they grow
EYE_HEIGHT, GUESSED, FARTHEST = 1.6, 1.76, 150.0  # metres
BESIDE_THE_TESTS = Path(__file__).parent.parent / "tests" / "data" / "panoramas"
JUMP = 1.2


class PaintingOracle:
    """Implements roles.Inpainter with the true panorama [H, W, 3] and the errors that the module's text tells of."""

    provenance = Provenance("inpainter", "painting oracle", "1", "GPL-3.0-or-later", False)
    schedule = "anchored"

    def __init__(self, truth: np.ndarray):
        self.truth, self.views = truth, 0

    def begin(self, photograph: Photograph) -> None:
        """It knows the photograph already."""

    def inpaint(self, view) -> np.ndarray:
        self.views += 1
        camera, rng = view.camera, np.random.default_rng(view.seed)
        true = resample_view(self.truth, camera)
        tone = cv2.GaussianBlur(view.picture - true, (0, 0), camera.width / 64)
        known = cv2.erode((~view.unknown).astype(np.uint8), np.ones((camera.width // 32,) * 2)) > 0
        degrees = 360 / (2 * np.pi) / (camera.width / (2 * np.pi) if camera.model == "equirect" else camera.K[0, 0])
        away = cv2.distanceTransform((~known).astype(np.uint8), cv2.DIST_L2, 5) * degrees
        grown = (1 - np.exp(-away / REACH)).astype(np.float32) if known.any() else np.ones(known.shape, np.float32)
        tone = pull_push(tone, known) if known.any() else np.zeros_like(tone)
        tone += TONE * grown[..., None] * smooth_noise(rng, known.shape, 3, REACH / degrees)
        shift = PLACE / degrees * grown[..., None] * smooth_noise(rng, known.shape, 2, REACH / degrees)
        rows, columns = np.indices(known.shape, np.float32)
        moved = cv2.remap(true, columns + shift[..., 0], rows + shift[..., 1], cv2.INTER_LINEAR, borderMode=1)
        return (moved + tone).clip(0, 1)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], channels: int, wave: float) -> np.ndarray:
    """[h, w, channels] float32 of standard deviation 1 and no detail smaller than `wave` pixels."""
    size = [max(3, round(side / wave) + 3) for side in shape]
    return cv2.resize(
        rng.normal(0, 1, (*size, channels)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC
    )


def photograph_of(panorama: np.ndarray) -> Photograph:
    camera = Camera.pinhole(turned((0, 0, 0)), np.radians(70), 768, 512)
    return analyse(resample_view(panorama, camera), fov_degrees=70, pitch_degrees=0.0)


def finished(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def order_rows(name: str, truth: np.ndarray, roster, weights: Path | None) -> list[dict]:
    rows, photograph = [], photograph_of(truth)
    for heuristic in (*HEURISTICS, "built-in"):
        if heuristic == "built-in":
            model = BuiltinInpainter()
        else:
            model = roster.get("inpainter") if roster else PaintingOracle(truth)
        start = time.perf_counter()
        order = heuristic if heuristic in HEURISTICS else "anchored"
        made = finished(
            generate(photograph, model, width=truth.shape[1], heuristic=order, side=SIDE if roster else 512)
        )
        row = {"scene": name, "order": heuristic, "seconds": round(time.perf_counter() - start, 1)}
        row["repetition"] = round(repetition(made.picture)[0], 3)
        if isinstance(model, PaintingOracle):
            row |= {"views": model.views, **drift(made.picture - truth, made.photograph_mask)}
        rows.append({**row, **without_reference(made.picture, photograph, weights)})
    return rows


def drift(error: np.ndarray, photograph: np.ndarray) -> dict:
    """How a panorama leaves the truth [H, W, 3]: see the module's text."""
    height, width = photograph.shape
    area = row_weights(height)[:, None] * ~photograph
    squared = float(((error**2).mean(-1) * area).sum() / area.sum())
    band = cv2.GaussianBlur(error, (0, 0), 2)[int(0.4 * height) : int(0.6 * height)]
    steps = np.abs(band - np.roll(band, 1, 1)).mean((0, 2))
    usual = np.median(steps)
    behind = np.concatenate([steps[: width // 16], steps[-width // 16 :]])  # the circle closes within 22 degrees of it
    poles = np.abs(np.arange(height) + 0.5 - height / 2) / height * 180 > 60
    return {
        "psnr": round(float(10 * np.log10(1 / squared)), 2),
        "closure": round(float(behind.max() / usual), 2),
        "worst": round(float(steps.max() / usual), 2),
        "poles": round(float(np.abs(error[poles]).mean()), 4),
    }


def without_reference(panorama: np.ndarray, photograph: Photograph, weights: Path | None) -> dict:
    """Metrics of six views; a text in place of a number tells why one was not measured."""
    cameras = [Camera.pinhole(turned((0, 0, 0), *np.radians(view)), np.radians(80), 512, 512) for view in VIEWS]
    views = [resample_view(panorama, camera).clip(0, 1) for camera in cameras]
    found = measure(METRICS, views, [photograph.picture] * len(views), weights=weights)
    return {
        name: f"skipped: {value.reason}" if isinstance(value, Skipped) else round(value, 3)
        for name, value in found.items()
    }


class CroppingOracle:
    """Implements roles.DepthEstimator with the true distance [H, W] (inf: sky) and errors of each view's own.

    factor: standard deviation of the log of a factor; bend: of the log at a view's upper and lower border; blur: px.
    """

    provenance = Provenance("depth", "cropping oracle", "1", "GPL-3.0-or-later", False)

    def __init__(self, truth: np.ndarray, *, metric=True, factor=0.0, bend=0.0, blur=0.0):
        self.truth, self.metric, self.factor, self.bend, self.blur = truth, metric, factor, bend, blur
        self.rng = np.random.default_rng(0)

    def estimate(self, picture, camera) -> DepthEstimate:
        distance = resample_view(self.truth.astype(np.float32), camera, cv2.INTER_NEAREST)
        valid = np.isfinite(distance)
        log = np.log(np.where(valid, distance * (camera.rays() @ camera.rotation[:, 2]), 1)).astype(np.float32)
        if self.blur:
            filled = pull_push(log[..., None], valid)[..., 0] if valid.any() else log
            log = cv2.GaussianBlur(filled, (0, 0), self.blur)
        slope = self.bend * self.rng.normal() * np.linspace(-1, 1, camera.height)[:, None]
        return DepthEstimate(np.exp(log + self.factor * self.rng.normal() + slope).astype(np.float32), valid)


def distance_errors(distance: np.ndarray, truth: np.ndarray, scaled: bool) -> dict:
    """Mean relative error by solid angle of all and of edges, up to FARTHEST; scaled: one factor is left out."""
    counted = truth < FARTHEST
    if scaled:
        distance = distance * np.exp(np.median(np.log(truth[counted] / distance[counted])))
    relative = np.abs(distance / truth - 1)
    area = np.broadcast_to(row_weights(len(truth))[:, None], truth.shape)
    near = np.where(np.isfinite(truth), truth, 1e4).astype(np.float32)
    jumps = cv2.dilate(near, np.ones((3, 3))) > JUMP * cv2.erode(near, np.ones((3, 3)))
    return {
        key: round(float(np.average(relative[where], weights=area[where])), 5)
        for key, where in (("error", counted), ("edges", counted & jumps))
        if where.any()
    }


def measured(estimator, truth: np.ndarray, eye_height: float = EYE_HEIGHT) -> np.ndarray:
    picture = np.zeros((*truth.shape, 3), np.float32)
    model = PanoramaDistance(estimator)
    return model.estimate(picture, eye_height=eye_height, sky=~np.isfinite(truth)).distance


def merge_rows(name: str, truth: np.ndarray) -> list[dict]:
    kinds = {"perfect": {}, "factors": {"factor": 0.2}, "factors and bends": {"factor": 0.2, "bend": 0.05}}
    rows = []
    for kind, errors in kinds.items():
        start = time.perf_counter()
        distance = measured(CroppingOracle(truth, **errors), truth)
        seconds = round(time.perf_counter() - start, 2)
        found = distance_errors(distance, truth, scaled=bool(errors))
        rows.append({"scene": name, "crops": kind, "width": truth.shape[1], "seconds": seconds, **found})
    return rows


def fusion_rows(name: str, truth: np.ndarray) -> list[dict]:
    def blurred():
        return CroppingOracle(truth, factor=0.05, blur=6)

    def sharp():
        return CroppingOracle(truth, metric=False, factor=0.5)

    models = {"metric": blurred(), "sharp": sharp(), "fused": FusedDepth(blurred(), sharp())}
    models["fused by spreads"] = FusedDepth(blurred(), sharp(), spread_ratio)
    return [
        {"scene": name, "depth": kind, **distance_errors(measured(model, truth, GUESSED), truth, scaled=False)}
        for kind, model in models.items()
    ]


def distance_of(picture: Path) -> np.ndarray:
    """[H, W] metres along the ray, inf for the sky; those beside the tests are packed as 16-bit logarithms."""
    packed = picture.with_suffix(".png")
    if not packed.exists():
        return read_truth(picture)
    values = cv2.imread(str(packed), cv2.IMREAD_UNCHANGED).astype(np.float64)
    return np.where(values > 0, 0.1 * np.exp((values - 1) / 6000), np.inf)


def show(title: str, rows: list[dict]) -> None:
    """A table of what is a number; what was skipped once below it."""
    print(f"\n{title}")
    names = [name for name in dict.fromkeys(name for row in rows for name in row)]
    skipped = {name: row[name] for row in rows for name in names if str(row.get(name, "")).startswith("skipped")}
    names = [name for name in names if name not in skipped]
    cells = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    wide = [max(len(line[i]) for line in cells) for i in range(len(names))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, wide, strict=True)).rstrip())
    for name, reason in skipped.items():
        print(f"{name}: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "scenes",
        type=Path,
        nargs="?",
        default=BESIDE_THE_TESTS,
        help="folder that benchmarks/scenes/panoramas.py wrote",
    )
    parser.add_argument(
        "--tables", nargs="+", choices=("order", "merge", "fusion"), default=["order", "merge", "fusion"]
    )
    parser.add_argument("--json", type=Path, help="file to write the rows to")
    parser.add_argument("--weights", type=Path, help="folder of the metrics' weights")
    parser.add_argument("--models", help="profile whose inpainter is asked in place of the oracle")
    asked = parser.parse_args()
    roster = None
    if asked.models:
        import torch

        from skyworld.models.roster import Roster

        roster = Roster(asked.models, {}, "cuda" if torch.cuda.is_available() else "cpu")
    tables = {name: [] for name in asked.tables}
    for path in sorted(asked.scenes.glob("*.jpg")):
        picture, truth = cv2.imread(str(path))[:, :, ::-1].astype(np.float32) / 255, distance_of(path)
        if "order" in tables:
            tables["order"] += order_rows(path.stem, picture, roster, asked.weights)
        if "merge" in tables:
            tables["merge"] += merge_rows(path.stem, truth)
        if "fusion" in tables:
            tables["fusion"] += fusion_rows(path.stem, truth)
        print(f"{path.stem} done", file=sys.stderr, flush=True)
    for name, rows in tables.items():
        show(name, rows)
    if asked.json:
        asked.json.write_text(json.dumps({"command": " ".join(sys.argv), "tables": tables}, indent=1) + "\n")


if __name__ == "__main__":
    main()
