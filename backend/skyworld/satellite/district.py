"""What is refined by itself: a block of a city with the margin that it sees, or the whole city."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from skyworld.progress import Progress
from skyworld.satellite import blocks, border
from skyworld.satellite.blocks import Block
from skyworld.satellite.height_map import HeightMap
from skyworld.satellite.scene import Box, SatelliteScene
from skyworld.splats.formats.ply import read_ply, write_ply
from skyworld.splats.gaussians import Gaussians
from skyworld.world import World, atomic_write

SPLATS, BEFORE = "splats.ply", "before_refine.ply"


@dataclass(frozen=True)
class District:
    """One of `count`, by its number from 1.

    scene: of the city, its box the block's outer one: all that its cameras have to show.
    area:  box of the whole city.
    lent:  neighbours that are refined before it. What they became is seen and stays as it is, so that seams meet.
    """

    scene: SatelliteScene
    area: Box
    block: Block
    number: int = 1
    count: int = 1
    lent: tuple["District", ...] = ()

    @property
    def alone(self) -> bool:
        return self.count == 1

    @property
    def side(self) -> float:
        """Metres of the longer side of what is kept."""
        place = self.block.place(self.area)
        return max(high - low for low, high in (place.east, place.north))

    def stage(self, episode: int) -> str:
        return f"refine_{episode}" if self.alone else f"refine_{self.number}_{episode}"

    def file(self, episode: int) -> str:
        """Of the Gaussians that an episode, from 1, leaves."""
        return f"stages/{self.stage(episode)}/{SPLATS}"

    def told(self, report: Progress) -> Progress:
        """The report with the name of the block."""
        if self.alone or not report.message:
            return report
        return replace(report, message=f"block {self.number} of {self.count}: {report.message}")

    def begun(self, world: World, episode: int) -> Gaussians:
        """What an episode, from 1, fits: what the last one left; at first the city, without what neighbours lend."""
        if episode > 1:
            return self.left(world, episode - 1)
        city = read_ply(world.path(BEFORE))
        if self.alone:
            return city
        mine = self.block.sees(city)
        for other in self.lent:
            mine &= ~other.block.holds(city)
        return city[mine]

    def borrowed(self, world: World, last: int) -> Gaussians | None:
        """What the neighbours lend of their margin here. last: number of the last episode."""
        found = []
        for other in self.lent:
            refined = other.left(world, last)
            found.append(refined[other.block.holds(refined) & self.block.sees(refined)])
        return _together(found) if any(map(len, found)) else None

    def left(self, world: World, episode: int) -> Gaussians:
        """What an episode left, its margin too."""
        file = world.path(self.file(episode))
        return read_ply(file) if file.stat().st_size else Gaussians.empty()

    def keep(self, world: World, episode: int, city: Gaussians) -> None:
        """The file is empty for a block where nothing stands."""
        with atomic_write(world.path(self.file(episode))) as temporary:
            write_ply(temporary, city.to("cpu")) if len(city) else temporary.touch()

    def heights(self, height_map: HeightMap) -> HeightMap:
        """Its part of the city's closed heights."""
        if self.alone:
            return height_map
        return blocks.crop_heights(height_map, border.wider(self.block.outer, self.area, height_map.cell))


def districts(scene: SatelliteScene, size: float) -> list[District]:
    """Of blocks of at most `size` metres; one for 0 or a smaller area."""
    cuts, found = blocks.cut(scene.box, size), []
    for number, block in enumerate(cuts, 1):
        lent = tuple(other for other in found if block.touches(other.block))
        part = replace(scene, box=block.outer)
        # Only the files of neighbours matter, not whom they borrowed from.
        found.append(District(part, scene.box, block, number, len(cuts), tuple(replace(o, lent=()) for o in lent)))
    return found


def merged(world: World, parts: Sequence[District], last: int) -> Gaussians:
    """The cores of all, as their last episode left them."""
    return _together([part.block.keeps(part.left(world, last)) for part in parts])


def _together(parts: Sequence[Gaussians]) -> Gaussians:
    """Empty ones have no columns of their own."""
    return Gaussians.concatenate([part for part in parts if len(part)])
