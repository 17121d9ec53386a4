"""Fitting Gaussians to posed pictures: SkyWorld's trainer beside gsplat's plain ones, on the same views.

    python benchmarks/scenes/views.py SCENES
    python benchmarks/splats.py SCENES/room SCENES/street SCENES/landscape --json benchmarks/results/splats_h200.json

gsplat's trainers are what its examples do: rasterization(), DefaultStrategy or MCMCStrategy at their defaults,
L1 and SSIM, one fused Adam a column, the harmonics' degree rising, the means' rate falling a hundredfold. All start
from the same points and see the same pictures; every eighth is held out and judged. The clock stands still
while judging. gsplat's need a CUDA GPU; on the CPU (--device cpu) SkyWorld's runs alone.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from skyworld.camera import Camera
from skyworld.splats import Gaussians, losses, rasterize
from skyworld.splats.dataset import read_dataset
from skyworld.splats.parallel import fit_on_gpus
from skyworld.splats.points import gaussians_of_points
from skyworld.splats.presets import preset
from skyworld.splats.reconstruct import extent_of, views_of
from skyworld.splats.train import fit


class Task:
    """One scene on one device."""

    def __init__(self, folder: Path, device: str):
        train, test = read_dataset(folder).split(8)
        self.name, self.device = folder.name, device
        self.train, self.test = views_of(train, device), views_of(test, device)
        self.points, self.extent = train.points, extent_of(train.cameras)
        self.pixels = max(camera.width * camera.height for camera in train.cameras)

    def start(self, opacity: float, size: float) -> Gaussians:
        return gaussians_of_points(*self.points, opacity=opacity, size=size).to(self.device)

    @torch.no_grad()
    def judge(self, gaussians: Gaussians, **drawing) -> dict:
        """Mean PSNR and SSIM (RGB) of the held-out views."""
        found = []
        for view in self.test:
            render = rasterize(gaussians, [view.camera], **drawing).colour[0].clamp(0, 1)
            picture = view.picture.float() / 255
            found.append((losses.psnr(render, picture), float(losses.ssim(render, picture))))
        psnr, ssim = np.mean(found, 0)
        return {"psnr": round(float(psnr), 3), "ssim": round(float(ssim), 4), "count": len(gaussians)}


class Clock:
    """Counts seconds, the GPU's work included, while it is not paused."""

    def __init__(self, device: str):
        self.device, self.seconds = device, 0.0
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.go()

    def go(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()
        self.since = time.perf_counter()

    def pause(self) -> dict:
        if self.device == "cuda":
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - self.since
        peak = torch.cuda.max_memory_allocated() / 2**30 if self.device == "cuda" else 0.0
        return {"seconds": round(self.seconds, 2), "peak_gib": round(peak, 2)}


# ---- SkyWorld -------------------------------------------------------------------------------------------------------


def skyworld(task: Task, name: str) -> Iterator[tuple[dict, Gaussians]]:
    """A preset, by name; name@2 fits on two GPUs."""
    name, _, gpus = name.partition("@")
    chosen = preset(name, task.extent, task.pixels)
    clock, start = Clock(task.device), task.start(chosen.opacity, chosen.size)
    if gpus:
        views = [replace(view, picture=view.picture.cpu()) for view in task.train]
        steps = fit_on_gpus(start.to("cpu"), views, chosen.schedule, gpus=int(gpus), **chosen.arguments)
    else:
        steps = fit(start, task.train, chosen.schedule, **chosen.arguments)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            row = {"step": chosen.schedule.steps} | clock.pause()
            if gpus:
                row["peak_gib"] = None  # the processes' own
            fitted = end.value.to(task.device)
            yield row | task.judge(fitted, **chosen.drawing), fitted
            return


# ---- gsplat, plain --------------------------------------------------------------------------------------------------


def gsplat(task: Task, strategy_name: str, steps: int, judged: Sequence[int]) -> Iterator[tuple[dict, Gaussians]]:
    """The trainer of gsplat's examples, without its viewer and files."""
    from gsplat import DefaultStrategy, MCMCStrategy, rasterization

    mcmc = strategy_name == "mcmc"
    clock = Clock(task.device)
    first = task.start(0.5, 0.1) if mcmc else task.start(0.1, 1.0)
    rates = {"means": 1.6e-4 * task.extent, "scales": 5e-3, "quats": 1e-3, "opacities": 5e-2}
    rates |= {"sh0": 2.5e-3, "shN": 2.5e-3 / 20}
    values = {"means": first.means, "scales": first.log_scales, "quats": first.quats}
    values |= {"opacities": first.logit_opacities, "sh0": first.sh[:, :1], "shN": first.sh[:, 1:]}
    parameters = {name: torch.nn.Parameter(value.clone().contiguous()) for name, value in values.items()}
    optimizers = {
        name: torch.optim.Adam([{"params": parameter, "lr": rates[name], "name": name}], eps=1e-15, fused=True)
        for name, parameter in parameters.items()
    }
    falling = torch.optim.lr_scheduler.ExponentialLR(optimizers["means"], gamma=0.01 ** (1 / steps))
    strategy = MCMCStrategy() if mcmc else DefaultStrategy()
    strategy.check_sanity(parameters, optimizers)
    memory = strategy.initialize_state() if mcmc else strategy.initialize_state(scene_scale=task.extent)
    cameras = [_matrices(view.camera) for view in task.train]
    random = np.random.default_rng(0)
    order: list[int] = []
    for step in range(max(judged)):
        order = order or random.permutation(len(task.train)).tolist()
        index = order.pop()
        view, (viewmat, K) = task.train[index], cameras[index]
        picture = view.picture.float() / 255
        render, _, info = rasterization(
            parameters["means"],
            parameters["quats"],
            torch.exp(parameters["scales"]),
            torch.sigmoid(parameters["opacities"]),
            torch.cat([parameters["sh0"], parameters["shN"]], 1),
            viewmat,
            K,
            view.camera.width,
            view.camera.height,
            sh_degree=min(step // 1000, 3),
            packed=False,
        )
        strategy.step_pre_backward(parameters, optimizers, memory, step, info)
        loss = 0.8 * (render[0] - picture).abs().mean() + 0.2 * (1 - losses.ssim(render[0], picture))
        if mcmc:
            loss = loss + 0.01 * torch.sigmoid(parameters["opacities"]).mean()
            loss = loss + 0.01 * torch.exp(parameters["scales"]).mean()
        loss.backward()
        if not mcmc:
            strategy.step_post_backward(parameters, optimizers, memory, step, info, packed=False)
        for optimizer in optimizers.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        falling.step()
        if mcmc:
            rate = falling.get_last_lr()[0]
            strategy.step_post_backward(parameters, optimizers, memory, step, info, lr=rate)
        if step + 1 in judged:
            gaussians = Gaussians(
                parameters["means"].detach(),
                parameters["scales"].detach(),
                parameters["quats"].detach(),
                parameters["opacities"].detach(),
                torch.cat([parameters["sh0"], parameters["shN"]], 1).detach(),
            )
            yield {"step": step + 1} | clock.pause() | task.judge(gaussians), gaussians
            clock.go()


def _warm_up(task: Task, trainers: list[str]) -> None:
    """A few hundred steps of each, so that no one's compiling is timed."""
    for name in {trainer for trainer in trainers if not trainer.startswith("gsplat") and "@" not in trainer}:
        chosen = preset(name, task.extent, task.pixels)
        steps = replace(chosen.schedule, steps=320)
        for _ in fit(task.start(chosen.opacity, chosen.size), task.train, steps, **chosen.arguments):
            pass
    if any(trainer.startswith("gsplat") for trainer in trainers):
        for _ in gsplat(task, "default", 20, (20,)):
            pass


def _matrices(camera: Camera) -> tuple[torch.Tensor, torch.Tensor]:
    arrays = (camera.world_to_camera, camera.K)
    return tuple(torch.from_numpy(array.astype(np.float32)).cuda()[None] for array in arrays)


# ---- the table ------------------------------------------------------------------------------------------------------


def _show(task: Task, gaussians: Gaussians, path: Path) -> None:
    """Two held-out views, truth over render."""
    rows = []
    for view in task.test[:: max(1, len(task.test) // 3)][:3]:
        with torch.no_grad():
            render = rasterize(gaussians, [view.camera]).colour[0].clamp(0, 1)
        rows.append(torch.cat([view.picture.float() / 255, render], 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((torch.cat(rows, 1) * 255).byte().cpu().numpy()).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", nargs="+", type=Path)
    parser.add_argument("--trainers", nargs="+", default=["gsplat", "gsplat-mcmc", "quick", "full"])
    parser.add_argument("--steps", type=int, default=30_000, help="of gsplat's trainers")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--judged", type=int, nargs="+", default=[7000, 30_000], help="steps of gsplat's trainers to judge"
    )
    parser.add_argument("--json", type=Path, help="where the rows are kept")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of held-out views")
    arguments = parser.parse_args()
    rows = []
    for folder in arguments.scenes:
        task = Task(folder, arguments.device)
        if folder == arguments.scenes[0]:
            _warm_up(task, arguments.trainers)
        for trainer in arguments.trainers:
            run: Callable[[], Iterator] = {
                "gsplat": lambda t=task: gsplat(t, "default", arguments.steps, arguments.judged),
                "gsplat-mcmc": lambda t=task: gsplat(t, "mcmc", arguments.steps, arguments.judged),
            }.get(trainer, lambda t=task, n=trainer: skyworld(t, n))
            for row, gaussians in run():
                rows.append({"scene": task.name, "trainer": trainer} | row)
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
                if arguments.pictures:
                    _show(task, gaussians, arguments.pictures / f"{task.name}_{trainer}_{row['step']}.jpg")
                if arguments.json:
                    _keep(rows, arguments)


def _keep(rows: list[dict], arguments: argparse.Namespace) -> None:
    """What there is so far, so that a run that is cut short leaves its rows."""
    device = torch.cuda.get_device_name() if arguments.device == "cuda" else platform.processor() or "CPU"
    kept = {"command": " ".join(["python", *sys.argv]), "device": device, "torch": torch.__version__, "rows": rows}
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
