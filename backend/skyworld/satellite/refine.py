"""Stage 2: a city seen from lower and lower, each time from views that were edited or restored (Skyfall-GS, 3.3).

Iterative data set update: an episode renders the city around a grid of places, has every render repainted, and fits
the Gaussians again to these and to the satellite images. The next episode looks from lower. A repainted picture is a
file of its own, named after all that it depends on: an episode that was killed goes on at the next picture.
A large area is refined block by block, each through all episodes, from views as near as those of a small area.
"""

import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from skyworld.camera import Camera
from skyworld.errors import UserError
from skyworld.executor import Executor, executor
from skyworld.models.roles import EditSchedule, Provenance
from skyworld.models.roster import Roster
from skyworld.parameters.city import SatelliteRefineParameters
from skyworld.progress import Progress, changed, stages
from skyworld.satellite import blocks, border
from skyworld.satellite import curriculum as curricula
from skyworld.satellite.curriculum import Curriculum, Episode
from skyworld.satellite.district import BEFORE, SPLATS, District, districts, merged
from skyworld.satellite.export import DRAWING, from_above
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.near import drawable
from skyworld.satellite.outline import over
from skyworld.satellite.repaint import Piece, Repainter, repaint
from skyworld.satellite.scene import TRAIN, SatelliteScene, ground_pixel, read_picture, read_scene, write_picture
from skyworld.satellite.sheet import Sight
from skyworld.satellite.tone import tone
from skyworld.splats import rasterize
from skyworld.splats.densify import GradientRule
from skyworld.splats.device import pick_device
from skyworld.splats.distortion import Distortion
from skyworld.splats.formats.ply import write_ply
from skyworld.splats.gaussians import Gaussians
from skyworld.splats.losses import PHOTOMETRIC, Term
from skyworld.splats.train import Schedule, View, fit
from skyworld.world import World, atomic_write, digest

# Raise it when the same inputs give another result.
VERSION = 6
HEIGHTS = "dsm.npz"
EXTENT = 128.0  # metres: unit of the means' learning rate and of sizes, for an area of 256 m
_GROUND, _ROOF = 5, 99.5  # percentiles of heights that count as ground and as the highest roof
_SOFT = 3.0  # px (standard deviation) that tones are compared at
# Of how far the alpha is from what it should be: what is dark looks the same over black whether it is there or not.
_SOLID = 0.2
_SHOWN = 3  # views of an episode that its picture shows, before and after


def refine(parameters: SatelliteRefineParameters) -> Iterator[Progress]:
    """Job kind `satellite_refine`. Yields progress; the world's splats.ply is then the refined city.

    The city as it was before lies in before_refine.ply: other parameters begin with it again, `further` goes on from
    the refined one. An episode that was done with the same inputs is skipped.
    """
    device = pick_device(parameters.device)
    world = World.open(parameters.world)
    scene = read_scene(scene_folder(world, parameters.scene))
    parts = districts(scene, parameters.block)
    curriculum = curricula.chosen(parameters.curriculum, parts[0].side)
    repainter, provenance = _repainter(parameters, device)
    if repainter.role == "restorer" or parameters.distortion:
        curriculum = replace(curriculum, samples=1)
    hands = executor(parameters.executor, parameters.address, parameters.workers)
    begun = _beginning(world, parameters.further)
    world.record("models", [*_other_models(world, repainter.role), asdict(provenance)])
    before = {"version": VERSION, "city": begun, "scene": _fingerprint(scene)}
    plan, last = [], len(curriculum.episodes)
    for part in parts:
        for number, episode in enumerate(curriculum.episodes, 1):
            # Neighbours that it borrows from went through all episodes.
            concerned = curriculum.episodes if part.lent else curriculum.episodes[:number]
            inputs = {
                **before,
                "episode": number,
                "curriculum": {**curriculum.to_json(), "episodes": [asdict(e) for e in concerned]},
                "repainter": repainter.told(provenance),
                "distortion": parameters.distortion,
                "seed": parameters.seed,
                "device": device.type,
                **({} if part.alone else {"block": parameters.block, "of": [part.number, part.count]}),
            }
            work = _Episode(world, part, curriculum, episode, number, repainter, provenance, hands, parameters, device)
            stage = world.stage(part.stage(number), inputs, (part.file(number),), work.make)
            seconds = curriculum.views * curriculum.samples + 0.05 * curriculum.iterations
            plan.append((f"{episode.elevation:g} degrees", seconds, map(part.told, stage)))
    plan.append(("city", 1, _finish(world, parts, last)))
    yield from stages(*plan)


def scene_folder(world: World, wish: Path | None) -> Path:
    """Of the satellite images that the world was made of. UserError where world.json does not know it."""
    told = world.document.get("satellite", {}).get("scene")
    if wish is None and told is None:
        raise UserError(
            "this world was not made of satellite images here", file=world.root, hint="Name their scene with --scene"
        )
    return Path(wish or told)


def _repainter(parameters: SatelliteRefineParameters, device: torch.device) -> tuple[Repainter, Provenance]:
    """An editor where one was chosen or the profile has one, else a restorer. UserError where it is not downloaded."""
    wishes = {"editor": parameters.editor, "restorer": parameters.restorer}
    roster = Roster(parameters.profile, wishes, device)
    role = "editor" if parameters.by == "editor" else "restorer"
    if parameters.by == "auto":
        role = "editor" if roster.provenance("editor") else "restorer"
    provenance = roster.provenance(role)
    if provenance is None:
        raise UserError(
            "no editor is there: there is none without a checkpoint",
            hint="Choose a profile (--profile 16gb) or a model (--editor), or let the restorer do it (--by restorer)",
        )
    roster.require([role])
    schedule = EditSchedule(parameters.edit_steps, parameters.n_min, parameters.n_max)
    words = {"source": parameters.source, "target": parameters.target}
    told = {name: text for name, text in words.items() if text}
    made = Repainter(role, parameters.profile, wishes[role], parameters.device, schedule=schedule, **told)
    return made, provenance


def _other_models(world: World, role: str) -> list[dict]:
    return [model for model in world.document.get("models", []) if model.get("role") not in ("editor", "restorer")]


def _beginning(world: World, further: bool) -> str:
    """Fingerprint of the city that is refined, which now lies in before_refine.ply.

    A city that this has refined already is taken from there again, unless it is to go `further`.
    """
    splats, before = world.path(SPLATS), world.path(BEFORE)
    if not splats.is_file():
        raise UserError(
            "this world has no city yet", file=world.root, hint="Make it first with `skyworld satellite reconstruct`"
        )
    now, told = digest(splats), world.document.get("refined", {})
    if now == told.get("result") and before.is_file() and not further:
        return digest(before)
    if before.is_file() and digest(before) == now:
        return now
    with atomic_write(before) as temporary:
        shutil.copyfile(splats, temporary)
    return now


def _finish(world: World, parts: Sequence[District], last: int) -> Iterator[Progress]:
    splats = world.path(SPLATS)
    with atomic_write(splats) as temporary:
        if len(parts) == 1:
            shutil.copyfile(world.path(parts[0].file(last)), temporary)
        else:
            write_ply(temporary, merged(world, parts, last))
    world.record("refined", {"result": digest(splats), "before": BEFORE})
    yield Progress(1.0, "the refined city is there")


def _fingerprint(scene: SatelliteScene) -> dict:
    return {"cameras": digest(scene.folder / TRAIN), **{image.name: digest(image.picture) for image in scene.images}}


@dataclass(frozen=True)
class _Episode:
    """One episode of a district: renders, repainted pictures, a fit. number: from 1."""

    world: World
    part: District
    curriculum: Curriculum
    episode: Episode
    number: int
    repainter: Repainter
    provenance: Provenance
    hands: Executor
    parameters: SatelliteRefineParameters
    device: torch.device

    @property
    def seed(self) -> int:
        """Another one in each block and episode."""
        return self.parameters.seed + 1000 * self.number + 100_000 * (self.part.number - 1)

    def make(self, scratch: Path) -> Iterator[Progress]:
        city, lent = self._city()
        yield Progress(0.0, f"looking from {self.episode.elevation:g} degrees")
        seen = city if lent is None else Gaussians.concatenate([city, lent])
        images = toned_images(self.part.scene, seen)
        if not images:
            yield from self._left_as_it_is(city, "no satellite image shows the city", "Is it this world's scene?")
            return
        heights = self._heights(seen)
        pieces = self._pieces(seen, images, heights)
        if not pieces:
            problem = f"nothing of the city is seen from {self.episode.elevation:g} degrees"
            yield from self._left_as_it_is(city, problem, "Check the curriculum's extent and radius")
            return
        share = self._share_of_painting(len(pieces))
        files = yield from _scaled(self._painted(pieces, scratch), 0.0, share)
        Roster("builtin", device=self.device).rest()
        preview, repainted = scratch / "preview.jpg", [read_picture(file) for file in files]
        write_sheet(preview, [(piece.picture, after) for (_, piece), after in zip(pieces, repainted, strict=True)])
        yield Progress(share, "fitting the city to them", preview=preview)
        edited = [_edited(*pair, self.device) for pair in zip(pieces, repainted, strict=True)]
        fitted = yield from _scaled(self._fitted(city, lent, edited, images, scratch), share, 0.99)
        fitted = border.straight(fitted, heights) if self.world.path(HEIGHTS).is_file() else fitted
        if not len(fitted):
            raise UserError("no Gaussian was left", hint="Begin again with `skyworld satellite reconstruct`")
        after = render(fitted if lent is None else Gaussians.concatenate([fitted, lent]), pieces[0][0])[0]
        write_sheet(preview, [(pieces[0][1].picture, after.astype(np.float32) / 255)])
        self.part.keep(self.world, self.number, fitted)
        yield Progress(1.0, f"{len(fitted):,} splats after {self.episode.elevation:g} degrees", preview=preview)

    def _city(self) -> tuple[Gaussians, Gaussians | None]:
        """What is fitted, and what neighbours lend."""
        lent = self.part.borrowed(self.world, len(self.curriculum.episodes))
        city = self.part.begun(self.world, self.number)
        return city.to(self.device), None if lent is None else lent.to(self.device)

    def _left_as_it_is(self, city: Gaussians, problem: str, hint: str) -> Iterator[Progress]:
        """A block at the rim may hold next to nothing: no reason to refuse the others."""
        if self.part.alone:
            raise UserError(problem, file=self.part.scene.folder, hint=hint)
        self.part.keep(self.world, self.number, city)
        yield Progress(1.0, f"left as it is: {problem}")

    def _share_of_painting(self, count: int) -> float:
        """Of an episode's time, as far as it can be told before."""
        seconds = 1.5 if self.repainter.role == "restorer" else 4.0
        return seconds * count / (seconds * count + 0.05 * self.curriculum.iterations)

    def _heights(self, city: Gaussians) -> HeightMap:
        """Of the city as it was reconstructed; of what it is now, in a world that lacks them."""
        kept = self.world.path(HEIGHTS)
        if kept.is_file():
            return self.part.heights(border.closed(HeightMap.read(kept)))
        return border.closed(from_above(city, self.part.scene.box, self.part.scene.pixel)[1])

    def _pieces(self, city: Gaussians, images: list[View], heights: HeightMap) -> list[tuple[Camera, Piece]]:
        """The renders, as often as each is to be edited; those that see next to nothing are left out."""
        found, mends = [], self.repainter.role == "restorer"
        highest = float(np.percentile(city.means[:, 2].cpu().numpy(), _ROOF))
        place = self.part.block.place(self.part.area)
        cameras = self.curriculum.cameras(self.episode, place, partial(ground_of, city), highest)
        for index, camera in enumerate(cameras):
            picture, alpha, depth = render(city, camera)
            if (alpha > 127).mean() < 0.05:
                continue
            wanted = over(camera, heights)
            examples = (_example(camera, images, depth),) if mends else ()
            depth = depth if mends else depth[:0]  # an editor does not look at it
            for sample in range(self.curriculum.samples):
                seed = self.seed + index * self.curriculum.samples + sample
                found.append((camera, Piece(picture, alpha, depth, wanted, examples, seed)))
        return found

    def _painted(self, pieces: list[tuple[Camera, Piece]], scratch: Path) -> Iterator[Progress]:
        """Files of the repainted pictures, in order; those that are there from a run before are taken."""
        told = self.repainter.told(self.provenance)
        files = [scratch / "pictures" / f"{piece.fingerprint(told)}.png" for _, piece in pieces]
        lacking = [index for index, file in enumerate(files) if not file.exists()]
        there, word = len(files) - len(lacking), "edited" if self.repainter.role == "editor" else "restored"
        yield Progress(there / len(files), f"{there} of {len(files)} views {word}")
        answers = self.hands.run(repaint, self.repainter, [pieces[index][1] for index in lacking])
        for count, (at, answer) in enumerate(answers, there + 1):
            index = lacking[at]
            write_picture(files[index], answer)
            preview = scratch / "preview.jpg"
            write_sheet(preview, [(pieces[index][1].picture, answer.astype(np.float32) / 255)])
            yield Progress(count / len(files), f"{count} of {len(files)} views {word}", preview=preview)
        for strange in set(files[0].parent.glob("*.png")) - set(files):
            strange.unlink()
        return files

    def _fineness(self, city: Gaussians, edited: list[View]) -> float:
        """A pixel of the images by the usual one of the edited views, on the ground; at most 1."""
        middle = city.means.mean(0).cpu().numpy()
        coarse = np.median([ground_pixel(view.camera, middle) for view in edited])
        return float(min(1.0, self.part.scene.pixel / coarse))

    def _fitted(
        self, city: Gaussians, lent: Gaussians | None, edited: list[View], images: list[View], scratch: Path
    ) -> Iterator[Progress]:
        curriculum, checkpoint = self.curriculum, scratch / "fit.pt"
        views = [replace(view, share=(1 - curriculum.edited) / len(images)) for view in images]
        views += [replace(view, share=curriculum.edited / len(edited)) for view in edited]
        views = [view for view in views if view.share > 0]
        warp = None
        if self.parameters.distortion:
            warp = Distortion(len(views), frozen=frozenset(range(len(views) - len(edited))), seed=self.parameters.seed)
        terms = [
            *PHOTOMETRIC,
            Term("alpha_l1", _SOLID),
            *([Term("opacity_entropy", curriculum.entropy)] if curriculum.entropy else []),
        ]

        def keep(state: dict) -> None:
            with atomic_write(checkpoint) as temporary:
                torch.save(state, temporary)

        result = yield from fit(
            city,
            views,
            _schedule(curriculum, self._fineness(city, edited), self.seed),
            terms=terms,
            strategy=_strategy(curriculum, len(city)),
            distortion=warp,
            fixed=lent,
            drawing=DRAWING,
            resume=torch.load(checkpoint, map_location="cpu", weights_only=True) if checkpoint.exists() else None,
            checkpoint=keep,
            checkpoint_every=max(curriculum.iterations // 10, 50),
        )
        checkpoint.unlink(missing_ok=True)
        return result


def _schedule(curriculum: Curriculum, fineness: float, seed: int) -> Schedule:
    """The rates of Skyfall-GS, which begin anew in each episode; those of scales stay at stage 1's.

    fineness: of the edited views, at most 1. Adam walks as far for a Gaussian of a tenth of a pixel as for one that
    fills it: where views are coarse, all goes slower, else the city becomes grainy and lets light through.
    Without its 3D filter: each episode would fold it in once more, and thin sheets become translucent under it.
    """
    extent = fineness * EXTENT * curriculum.extent / 512
    rates = {
        "means": (1.6e-4 * extent, 1.6e-6 * extent),
        "log_scales": 0.001 * fineness,
        "quats": 0.001 * fineness,
        "logit_opacities": 0.05 * fineness,
        "sh": 0.0025 * fineness,
    }
    return Schedule(curriculum.iterations, rates, seed=seed)


def _strategy(curriculum: Curriculum, count: int) -> GradientRule:
    return GradientRule(
        EXTENT * curriculum.extent / 512,
        threshold=curriculum.densify_threshold,
        begin=min(100, curriculum.densify_end),
        end=curriculum.densify_end,
        every=100,
        reset_every=curriculum.reset_every,
        cap=round(curriculum.growth * count),
    )


def _edited(piece: tuple[Camera, Piece], picture: np.ndarray, device) -> View:
    """What a repainted picture tells: what ought to be seen is solid, the sky is empty. The back of things, which is
    drawn where a hill is cut through, tells nothing."""
    camera, render = piece
    levels = torch.from_numpy(np.round(picture * 255).astype(np.uint8))
    told = torch.from_numpy((render.wanted | (render.alpha < 128)).astype(np.float32))
    solid = torch.from_numpy(render.wanted.astype(np.float32))
    return View(camera, levels.to(device), told.to(device), alpha=solid.to(device))


@torch.no_grad()
def render(city: Gaussians, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Picture [H, W, 3] and alpha [H, W] uint8, depth [H, W] float32 metres."""
    drawn = rasterize(city, [camera], **DRAWING)
    picture, alpha = ((each[0].clamp(0, 1) * 255).round().byte().cpu().numpy() for each in (drawn.colour, drawn.alpha))
    return picture, alpha, drawn.depth[0].float().cpu().numpy()


def ground_of(city: Gaussians, east: float, north: float, reach: float = 30.0) -> float:
    """Metres up of the ground at a place: a low percentile of the Gaussians around it, of all where there are few."""
    means = city.means.detach()
    near = (means[:, :2] - means.new_tensor([east, north])).abs().max(1).values < reach
    heights = means[near, 2] if int(near.sum()) >= 20 else means[:, 2]
    return float(np.percentile(heights.cpu().numpy(), _GROUND))


@torch.no_grad()
def toned_images(scene: SatelliteScene, city: Gaussians) -> list[View]:
    """What the satellite images show of the scene's box, as cameras in float32 see it, each in the tone of the city,
    where the city is seen."""
    views = []
    for image in scene.images:
        part = blocks.crop_sight(Sight(drawable(image.camera, scene.box), *image.read()), scene.box)
        if part is None:
            continue
        shown, alpha, _ = render(city, part.camera)
        counts = part.valid & (alpha > 127)
        if not counts.any():
            continue
        gain, offset = tone_of(part.picture, shown.astype(np.float32) / 255, counts)
        toned = np.round((part.picture * gain + offset).clip(0, 1) * 255).astype(np.uint8)
        weight = torch.from_numpy(counts.astype(np.float32)).to(city.device)
        views.append(View(part.camera, torch.from_numpy(toned).to(city.device), weight, alpha=weight))
    return views


def tone_of(picture: np.ndarray, render: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain [3] and offset [3] from an image to its render, both [H, W, 3], where `counts` [H, W].

    Both are blurred before: a render lacks detail that its image has, which is no lack of contrast.
    """
    weight = counts.astype(np.float32)
    total = np.maximum(cv2.GaussianBlur(weight, (0, 0), _SOFT), 1e-6)[..., None]
    own, wanted = (cv2.GaussianBlur(each * weight[..., None], (0, 0), _SOFT) / total for each in (picture, render))
    return tone(own[counts], wanted[counts], np.ones(int(counts.sum())))


def _example(camera: Camera, images: list[View], depth: np.ndarray) -> np.ndarray:
    """The satellite image that looks most alike, in about the scale of the render: [h, w, 3] uint8."""
    image = max(images, key=lambda view: float(view.camera.rotation[:, 2] @ camera.rotation[:, 2]))
    target = camera.position + camera.rotation[:, 2] * np.median(depth[depth > 0])
    scale = min(ground_pixel(image.camera, target) / ground_pixel(camera, target), 2.0)
    at, reach = image.camera.project(target)[0], camera.width / scale / 2
    low = np.clip(at - reach, 0, None).astype(int)
    high = np.ceil(at + reach).astype(int)
    picture = image.picture.cpu().numpy()[low[1] : high[1], low[0] : high[0]]
    if min(picture.shape[:2], default=0) < 16:
        picture = image.picture.cpu().numpy()
    size = tuple(max(16, round(side * scale)) for side in picture.shape[1::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def write_sheet(path: Path, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """JPEG for the panel: up to three renders [H, W, 3] uint8 above what became of them [H, W, 3] float32, 0 to 1."""
    spread = np.linspace(0, len(pairs) - 1, min(_SHOWN, len(pairs))).round().astype(int)
    above = np.hstack([pairs[index][0] for index in spread])
    below = np.hstack([np.round(pairs[index][1] * 255).astype(np.uint8) for index in spread])
    with atomic_write(path) as temporary:
        cv2.imwrite(str(temporary), np.vstack([above, below])[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def _scaled(reports: Generator, begin: float, end: float) -> Generator:
    """The reports of a part of a stage, as shares of the stage; returns what they return."""
    return changed(reports, lambda report: replace(report, fraction=begin + report.fraction * (end - begin)))
