"""Training of the ControlNet that completes renders of point clouds (Recipe, arXiv 2503.16611, section 3.2).

A step depends on the seed and its number alone: which pairs it takes, how they are noised. So a run that was stopped
goes on with the same numbers as one that was not.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from skyworld.errors import UserError
from skyworld.models.pointcloud import components as parts
from skyworld.models.pointcloud.components import SCRATCH, Components
from skyworld.models.pointcloud.data import Pairs, pairs_of
from skyworld.models.pointcloud.sampling import sampled
from skyworld.parameters import TrainParameters
from skyworld.progress import Progress, stages
from skyworld.splats.device import pick_device
from skyworld.world.files import atomic_write, digest

BASE = "stable-diffusion-v1-5/stable-diffusion-inpainting"
# Share of the examples whose prompt is left out, so that the model can be guided by it.
WORDLESS = 0.1
# Steps over which the rate rises; steps of one mean in the losses that are kept; checkpoints and pictures of a run.
WARM_UP, MEAN_OF, CHECKPOINTS = 100, 50, 10
# Share of the parameters' memory in each step of the exponential mean (Polyak).
EMA = 0.999


def train(parameters: TrainParameters) -> Iterator[Progress]:
    """Job kind `train`. The trained model lies in `parameters.output`, a folder that can be named as inpainter."""
    device = pick_device(parameters.device)
    yield from stages(
        ("training", 1.0, _train(parameters, device)),
    )


def _train(parameters: TrainParameters, device: torch.device) -> Iterator[Progress]:
    folder = parameters.output
    reading = pairs_of(
        parameters.data,
        parameters.size,
        count=parameters.pairs,
        seed=parameters.seed,
        warp=parameters.warp,
        noise=parameters.noise,
        prompt=parameters.prompt,
        estimator=_estimator(parameters, device),
    )
    pairs = yield from reading
    base = parameters.base or BASE
    yield Progress(0.0, f"{len(pairs)} pairs; loading {base}")
    model = parts.from_scratch(parameters.size, seed=parameters.seed) if base == SCRATCH else parts.from_base(base)
    cell = 8 * model.shrink
    if parameters.size % cell:
        raise UserError(f"pictures of {parameters.size} px do not fit this base", hint=f"Give a multiple of {cell}")
    folder.mkdir(parents=True, exist_ok=True)
    training = Training(model, pairs, parameters, device)
    losses = yield from training.run(folder)
    parts.save(training.finished(), folder)
    yield Progress(1.0, f"loss {losses[-1]:.4f}, of {losses[0]:.4f} at the beginning", preview=folder / "preview.jpg")


def _estimator(parameters: TrainParameters, device):
    """The depth model, where one is named."""
    if not parameters.depth:
        return None
    from skyworld.models.checkpoints import load
    from skyworld.models.settings import Settings

    return load("depth", parameters.depth, Settings(), device)


class Training:
    """The model on its device, what of it learns, and the state of the optimiser.

    Trained: the ControlNet; from scratch the UNet too. The frozen parts are kept in the precision of the arithmetic.
    """

    def __init__(self, model: Components, pairs: Pairs, parameters: TrainParameters, device: torch.device):
        self.model, self.parameters, self.device = model, parameters, device
        self.half = torch.bfloat16 if parameters.precision == "bf16" else torch.float32
        self.learning = [model.controlnet] if model.base else [model.controlnet, model.unet]
        for module in model.modules:
            learns = any(module is each for each in self.learning)
            module.requires_grad_(learns).train(learns).to(device)
            if not learns:
                module.to(self.half)
        if parameters.checkpointing:
            model.controlnet.enable_gradient_checkpointing()
            model.unet.enable_gradient_checkpointing()
        self.weights = [weight for module in self.learning for weight in module.parameters()]
        self.mean = [weight.detach().clone() for weight in self.weights] if parameters.ema else []
        fused = device.type == "cuda"
        self.optimizer = torch.optim.AdamW(self.weights, lr=parameters.rate, weight_decay=1e-2, fused=fused)
        self.condition, self.target = (torch.from_numpy(each) for each in (pairs.condition, pairs.target))
        self.prompts, self.words = pairs.prompts, {}
        self.flip = not any(pairs.prompts)  # a mirrored "left" would be wrong

    def run(self, folder: Path) -> Iterator[Progress]:
        """Steps with progress and checkpoints; returns the means of the loss over every MEAN_OF steps."""
        asked, file = self.parameters, folder / "training.pt"
        inputs = asked.model_dump(mode="json", exclude={"output", "steps", "device"})
        inputs["data"] = digest(asked.data) if asked.data.is_file() else str(asked.data)
        start, losses = self._resumed(file, inputs)
        recent, every = [], max(1, asked.steps // CHECKPOINTS)
        for step in range(start, asked.steps):
            recent.append(self.step(step))
            last = step + 1 == asked.steps
            if (step + 1) % MEAN_OF == 0 or last:
                losses.append(float(torch.stack(recent).mean()))
                recent = []
                if not np.isfinite(losses[-1]):
                    raise UserError(f"the loss is not finite at step {step + 1}", hint="Lower the rate, or use fp32")
                yield Progress((step + 1) / asked.steps, f"step {step + 1:,} of {asked.steps:,}, loss {losses[-1]:.4f}")
            if ((step + 1) % every == 0 and not recent) or last:
                self._save(file, step + 1, inputs, losses)
                self.show(folder / "preview.jpg")
                yield Progress((step + 1) / asked.steps, f"kept at step {step + 1:,}", folder / "preview.jpg")
        with atomic_write(folder / "losses.json") as path:
            path.write_text(json.dumps({"every": MEAN_OF, "loss": losses}), encoding="utf-8")
        return losses

    def step(self, number: int) -> Tensor:
        """One step; the loss, without history."""
        asked = self.parameters
        random = np.random.default_rng([asked.seed, number])
        noise = torch.Generator(self.device).manual_seed(int(random.integers(2**62)))
        rows = random.integers(0, len(self.target), asked.batch)
        condition, target = self._batch(rows, random)
        words = self._words([self.prompts[row] if random.random() >= WORDLESS else "" for row in rows])
        with torch.autocast(self.device.type, self.half, enabled=self.half != torch.float32):
            with torch.no_grad():
                latents = self.model.encoded(target, noise)
            grain = torch.randn(latents.shape, generator=noise, device=self.device)
            most = self.model.scheduler.config.num_train_timesteps
            at = torch.randint(0, most, (asked.batch,), generator=noise, device=self.device)
            noisy = self.model.scheduler.add_noise(latents, grain, at)
            said = self.model.predicted(noisy, at, words, condition)
        loss = torch.nn.functional.mse_loss(said.float(), self._wanted(latents, grain, at))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = asked.rate * min(1.0, (number + 1) / WARM_UP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.mean:
            weights = [weight.detach() for weight in self.weights]
            torch._foreach_lerp_(self.mean, weights, 1 - min(EMA, number / (number + 10)))
        return loss.detach()

    def _wanted(self, latents: Tensor, grain: Tensor, at: Tensor) -> Tensor:
        """What the model is to say: noise, or velocity (Salimans and Ho 2022)."""
        if self.model.scheduler.config.prediction_type == "v_prediction":
            return self.model.scheduler.get_velocity(latents, grain, at)
        return grain

    def _batch(self, rows: np.ndarray, random: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Conditions [B, 4, S, S] and targets [B, 3, S, S], 0 to 1."""
        both = torch.cat([self.condition[rows], self.target[rows]], -1)
        both = both.to(self.device).permute(0, 3, 1, 2).float() / 255
        if self.flip:
            mirrored = torch.from_numpy(random.random(len(rows)) < 0.5).to(self.device)
            both = torch.where(mirrored[:, None, None, None], both.flip(3), both)
        return both[:, :4], both[:, 4:]

    @torch.no_grad()
    def _words(self, prompts: list[str]) -> Tensor:
        """Embeddings, each prompt's kept."""
        for prompt in set(prompts) - self.words.keys():
            self.words[prompt] = self.model.words([prompt], self.device)[0]
        return torch.stack([self.words[prompt] for prompt in prompts])

    def finished(self) -> Components:
        """The model as it is to be kept: with the mean of its weights, where one was taken."""
        with torch.no_grad():
            for weight, mean in zip(self.weights, self.mean, strict=False):
                weight.copy_(mean)
        return self.model

    def show(self, path: Path) -> None:
        """Four pairs: what is known, what the model makes of it, the truth."""
        rows = np.linspace(0, len(self.target) - 1, 4).astype(int)
        pairs = (self.condition[rows], self.target[rows])
        condition, target = (each.to(self.device).permute(0, 3, 1, 2).float() / 255 for each in pairs)
        for module in self.learning:
            module.eval()
        made = sampled(self.model, condition, [self.prompts[row] for row in rows], steps=20)
        for module in self.learning:
            module.train()
        sheet = torch.cat([torch.cat(list(each), 2) for each in (condition[:, :3], made, target)], 1)
        with atomic_write(path) as temporary:
            pixels = (sheet.permute(1, 2, 0) * 255).byte().cpu().numpy()
            Image.fromarray(pixels).save(temporary, "JPEG", quality=90)

    def _save(self, file: Path, step: int, inputs: dict, losses: list[float]) -> None:
        modules = [module.state_dict() for module in self.learning]
        state = {"step": step, "inputs": inputs, "losses": losses, "modules": modules, "mean": self.mean}
        with atomic_write(file) as temporary:
            torch.save(state | {"optimizer": self.optimizer.state_dict()}, temporary)

    def _resumed(self, file: Path, inputs: dict) -> tuple[int, list[float]]:
        """The step to go on from and the losses until there; 0 where there is no checkpoint."""
        if not file.is_file():
            return 0, []
        state = torch.load(file, map_location=self.device, weights_only=True)
        if state["inputs"] != inputs:
            changed = [name for name in inputs if state["inputs"].get(name) != inputs[name]]
            raise UserError(
                f"was begun with other values of: {', '.join(changed)}",
                file=file,
                hint="Choose another folder, or delete this file to begin anew",
            )
        for module, kept in zip(self.learning, state["modules"], strict=True):
            module.load_state_dict(kept)
        self.optimizer.load_state_dict(state["optimizer"])
        self.mean = state["mean"]
        return state["step"], state["losses"]
