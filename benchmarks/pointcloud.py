"""What forward-backward warping is worth for the ControlNet that completes renders of point clouds.

    python benchmarks/pointcloud.py prepare SCENES/room SCENES/street SCENES/landscape -o views.npz
    python benchmarks/pointcloud.py compare views.npz --json OUT --pictures FOLDER

`prepare` packs posed pictures with depth (benchmarks/scenes/views.py) at a small size. `compare` trains two small
diffusion models from nothing (`skyworld train --base scratch`), on pairs made with depth and poses that are as
imprecise as a network's: warped from a neighbour to a view, and warped from a view and back. Both are asked for the
held-out views, given what their neighbours show of them by the true geometry: the Gaussians of a world, too, are
rendered where they are. Judged is the model's own picture, nothing pasted over it: PSNR of all pixels, of those that
were known, of those that were not.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from skyworld.camera import Camera
from skyworld.models.pointcloud import components
from skyworld.models.pointcloud.data import LEAST_KNOWN, Pairs, Posed, make_pairs, read_posed
from skyworld.models.pointcloud.sampling import sampled
from skyworld.models.pointcloud.train import train
from skyworld.models.pointcloud.warp import forward
from skyworld.parameters import TrainParameters

HELD_OUT = 8
WARPS = ("forward", "forward-backward")


def prepare(scenes: list[Path], size: int, output: Path) -> None:
    columns = {name: [] for name in ("scene", "picture", "depth", "camera_to_world", "K")}
    for index, folder in enumerate(scenes):
        for posed in read_posed(folder, size):
            picture, depth = np.round(posed.picture * 255).astype(np.uint8), posed.depth.astype(np.float16)
            row = (index, picture, depth, posed.camera.camera_to_world, posed.camera.K)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    np.savez_compressed(output, **{name: np.stack(column) for name, column in columns.items()})
    print(f"{len(columns['scene'])} views, {output.stat().st_size / 2**20:.1f} MiB")


def read(path: Path) -> list[list[Posed]]:
    """The views, scene by scene."""
    with np.load(path) as data:
        size, scenes = data["picture"].shape[1], data["scene"]
        views = [
            Posed(picture.astype(np.float32) / 255, depth.astype(np.float32), Camera(pose, K, size, size))
            for picture, depth, pose, K in zip(
                *(data[name] for name in ("picture", "depth", "camera_to_world", "K")), strict=True
            )
        ]
    return [[views[i] for i in np.flatnonzero(scenes == scene)] for scene in np.unique(scenes)]


def returned(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def training_pairs(scenes: list[list[Posed]], warp: str, count: int, noise: float) -> Pairs:
    made = []
    for scene in scenes:
        kept = [view for index, view in enumerate(scene) if index % HELD_OUT]
        made.append(returned(make_pairs(kept, count, 0, warp=warp, noise=noise)))
    condition, target = (np.concatenate([getattr(each, name) for each in made]) for name in ("condition", "target"))
    return Pairs(condition, target, [""] * len(target))


def held_out(scenes: list[list[Posed]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Conditions [N, 4, S, S] and targets [N, 3, S, S] of the held-out views, from the two neighbours of each."""
    conditions, targets = [], []
    for scene in scenes:
        for index in range(0, len(scene), HELD_OUT):
            for other in (index - 1, index + 1):
                if not 0 <= other < len(scene):
                    continue
                source, target = scene[other], scene[index]
                warped = forward(source.picture, source.depth, source.camera, target.camera)
                if warped.known.mean() > LEAST_KNOWN:
                    conditions.append(np.concatenate([warped.picture, warped.known[..., None]], -1))
                    targets.append(target.picture)
    return tuple(torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2).float() for x in (conditions, targets))


def psnr(made: torch.Tensor, truth: torch.Tensor, where: torch.Tensor) -> float:
    """Mean over the pictures of the PSNR of the pixels `where` [N, 1, S, S]."""
    error = ((made - truth).square() * where).sum((1, 2, 3)) / (3 * where.sum((1, 2, 3))).clamp_min(1)
    return round(float((-10 * error.clamp_min(1e-8).log10())[where.sum((1, 2, 3)) > 0].mean()), 3)


def compare(arguments) -> tuple[list[dict], Image.Image]:
    scenes = read(arguments.data)
    conditions, targets = (each.to(arguments.device) for each in held_out(scenes))
    known = conditions[:, 3:]
    everywhere, rows, shown = torch.ones_like(known), [], [conditions[:, :3]]
    for warp in arguments.warps:
        if arguments.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory() as folder:
            pairs = training_pairs(scenes, warp, arguments.pairs, arguments.noise)
            pairs.write(Path(folder) / "pairs.npz")
            parameters = TrainParameters(
                data=Path(folder) / "pairs.npz", output=Path(folder) / "model", base=components.SCRATCH,
                steps=arguments.steps, batch=arguments.batch, size=pairs.target.shape[1], rate=arguments.rate, ema=True,
                device=arguments.device, precision="bf16" if arguments.device == "cuda" else "fp32",
            )  # fmt: skip
            begun = time.perf_counter()
            returned(train(parameters))
            seconds = time.perf_counter() - begun
            losses = json.loads((parameters.output / "losses.json").read_text())["loss"]
            model = components.load(parameters.output)
        for module in model.modules:
            module.eval().to(arguments.device)
        made = torch.cat(
            [sampled(model, part, [""] * len(part), steps=arguments.sampling) for part in conditions.split(64)]
        )
        peak = torch.cuda.max_memory_allocated() / 2**30 if arguments.device == "cuda" else 0.0
        row = {"warp": warp, "pairs": len(pairs), "steps": arguments.steps, "seconds": round(seconds, 1)}
        row |= {"first_loss": round(losses[0], 4), "last_loss": round(float(np.mean(losses[-5:])), 4)}
        row |= {"psnr": psnr(made, targets, everywhere), "psnr_known": psnr(made, targets, known)}
        row |= {"psnr_unknown": psnr(made, targets, 1 - known), "views": len(made), "peak_gib": round(peak, 2)}
        rows.append(row | {"losses": [round(loss, 4) for loss in losses]})
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        shown.append(made)
    at = np.linspace(0, len(targets) - 1, 8).astype(int)
    sheet = torch.cat([torch.cat(list(each[at]), 2) for each in (*shown, targets)], 1).permute(1, 2, 0)
    return rows, Image.fromarray((sheet * 255).byte().cpu().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("prepare")
    packing.add_argument("scenes", nargs="+", type=Path)
    packing.add_argument("--size", type=int, default=64)
    packing.add_argument("-o", "--output", type=Path, required=True)
    comparing = commands.add_parser("compare")
    comparing.add_argument("data", type=Path)
    comparing.add_argument("--steps", type=int, default=4000)
    comparing.add_argument("--batch", type=int, default=64)
    comparing.add_argument("--rate", type=float, default=3e-4)
    comparing.add_argument("--pairs", type=int, default=12, help="of each view")
    comparing.add_argument("--noise", type=float, default=1.0, help="error of depth and poses, 1 is a network's")
    comparing.add_argument("--sampling", type=int, default=30, help="steps of DDIM")
    comparing.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    comparing.add_argument("--warps", nargs="+", choices=WARPS, default=WARPS)
    comparing.add_argument("--json", type=Path)
    comparing.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "prepare":
        return prepare(arguments.scenes, arguments.size, arguments.output)
    rows, sheet = compare(arguments)
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
        sheet.resize((sheet.width * 2, sheet.height * 2), Image.Resampling.NEAREST).save(
            arguments.pictures / "pointcloud.png"
        )
    if arguments.json:
        device = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
        kept = {"command": " ".join(["python", *sys.argv]), "device": device, "torch": torch.__version__, "rows": rows}
        arguments.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
