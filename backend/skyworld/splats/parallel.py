"""One scene on several GPUs of one machine: every GPU holds a share of the Gaussians and draws a view of its own.

The scheme of Grendel (arXiv 2406.18533) in gsplat's distributed mode: what a view needs of the other shares is
exchanged after projection, and its gradients come back the same way.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from queue import Empty

import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing import get_context

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.progress import Progress
from skyworld.splats.densify import Mcmc, Still
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.rasterize.cuda import NEAR
from skyworld.splats.rasterize.options import Options

_SUPPORTED = {"antialiased", "eps2d"}


def draw_together(gaussians: Gaussians, cameras: Sequence[Camera], options: Options) -> tuple[Tensor, Tensor, None]:
    """As `rasterize.draw`, from the Gaussians of all processes; each calls it at once, with a camera of its own."""
    from gsplat import rasterization

    def stacked(arrays) -> Tensor:
        return torch.stack([torch.from_numpy(array) for array in arrays]).to(gaussians.device, torch.float32)

    image, alpha, _ = rasterization(
        gaussians.means,
        gaussians.quats,
        gaussians.log_scales.exp(),
        gaussians.logit_opacities.sigmoid(),
        gaussians.sh,
        stacked(camera.world_to_camera for camera in cameras),
        stacked(camera.K for camera in cameras),
        cameras[0].width,
        cameras[0].height,
        near_plane=NEAR,
        eps2d=options.eps2d,
        sh_degree=options.sh_degree,
        packed=False,
        render_mode="RGB+D" if options.depth else "RGB",
        camera_model=cameras[0].model,
        rasterize_mode="antialiased" if options.antialiased else "classic",
        distributed=True,
    )
    return image, alpha[..., 0], None


def fit_on_gpus(gaussians: Gaussians, views: Sequence, schedule, *, gpus: int, **arguments) -> Iterator[Progress]:
    """`fit` on so many GPUs: takes `schedule.steps` views in all, `gpus` at a time, at rates x sqrt(gpus).

    Gaussians and views are on the CPU; the return value is too. Strategies: Still and Mcmc (its cap is shared);
    terms of colour, depth and opacities; no filter, appearance, distortion or selective Adam.
    Raises UserError for anything else and for fewer GPUs than asked for.
    """
    strategy = arguments.get("strategy", Still())
    if torch.cuda.device_count() < gpus:
        raise UserError(f"{gpus} GPUs are wanted, but there are {torch.cuda.device_count()}", hint="Ask for fewer")
    unfit = [name for name in ("appearance", "distortion", "fixed", "resume", "checkpoint") if arguments.get(name)]
    unfit += ["smooth_every"] * bool(schedule.smooth_every) + ["selective"] * schedule.selective
    unfit += sorted(set(arguments.get("drawing") or {}) - _SUPPORTED)
    if unfit or not isinstance(strategy, Still | Mcmc):
        raise UserError(
            f"several GPUs cannot share {', '.join(unfit) or type(strategy).__name__}",
            hint="Fit on one GPU, or leave it out",
        )
    if len({(view.camera.width, view.camera.height) for view in views}) > 1:
        raise UserError("several GPUs need views of one size", hint="Fit on one GPU, or resize the pictures")
    if isinstance(strategy, Mcmc):
        share = strategy.scaled(1 / gpus)
        strategy = replace(share, cap=-(-strategy.cap // gpus), every=max(1, strategy.every // gpus))
    rates = {
        name: tuple(part * gpus**0.5 for part in (rate if isinstance(rate, tuple) else (rate, rate)))
        for name, rate in schedule.rates.items()
    }
    shared = replace(schedule, steps=schedule.steps // gpus, rates=rates, sh_every=schedule.sh_every // gpus)
    arguments["strategy"] = strategy
    context = get_context("spawn")
    reports = context.Queue()
    with tempfile.TemporaryDirectory(prefix="skyworld-") as folder:
        processes = torch.multiprocessing.spawn(
            _process, (gpus, folder, gaussians, views, shared, arguments, reports), gpus, join=False
        )
        done = False
        while not done:
            # Raises what a process raised, and ends the others.
            done = processes.join(timeout=0.2)
            try:
                yield reports.get_nowait()
            except Empty:
                continue
        shares = [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(gpus)]
    return Gaussians.concatenate([Gaussians(**share) for share in shares])


def _process(rank: int, count: int, folder: str, gaussians, views, schedule, arguments, reports) -> None:
    from skyworld.splats.train import fit

    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", init_method=f"file://{folder}/meeting", rank=rank, world_size=count)
    own = gaussians[rank::count].to(f"cuda:{rank}")
    here = [replace(view, picture=view.picture.to(own.device)) for view in views]
    if rank:
        arguments = arguments | {"preview": None}
    steps = fit(own, here, schedule, **arguments, team=(rank, count))
    try:
        while True:
            report = next(steps)
            if rank == 0:
                reports.put(report)
    except StopIteration as end:
        result = end.value.to("cpu")
    torch.save(dict(result.tensors()), Path(folder) / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
