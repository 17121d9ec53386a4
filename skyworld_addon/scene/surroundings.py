"""What stands around a camera path, from the splats of the world: how near it is, and where the ground lies."""

import numpy as np
from mathutils.kdtree import KDTree

from . import splats

MOST = 300_000  # splats that are looked at; more are thinned out evenly
SOLID = 0.3  # opacity below which a splat is no obstacle
CELL = 0.5  # metres, of the ground's grid
GROUND = 10  # per cent of the splats of a cell that lie below its ground
ROUNDS = 60


class Surroundings:
    """points: [N, 3] of what is solid, in world space, metres."""

    def __init__(self, points):
        self.points = np.asarray(points, np.float64)
        self._tree = KDTree(len(self.points))
        for index, point in enumerate(self.points):
            self._tree.insert(point, index)
        self._tree.balance()

    @classmethod
    def of_objects(cls, objects, depsgraph):
        """Those of splat objects as they are shown; None where there is no solid splat."""
        found = []
        for obj in objects:
            if not splats.is_splats(obj):
                continue
            evaluated = obj.evaluated_get(depsgraph)
            cloud = splats.from_point_cloud(evaluated.data)
            means = cloud.means[cloud.opacities > SOLID]
            matrix = np.array(evaluated.matrix_world)
            found.append(means @ matrix[:3, :3].T + matrix[:3, 3])
        points = np.concatenate(found) if found else np.empty((0, 3))
        return cls(points[:: -(-len(points) // MOST) or 1]) if len(points) else None

    def nearest(self, places):
        """Nearest solid point [N, 3] of places [N, 3] and its distance [N]."""
        found = [self._tree.find(place) for place in places]
        return np.array([point for point, _, _ in found]), np.array([distance for _, _, distance in found])

    def ground(self, places):
        """Height [N] of the ground at places [N, 3]: of the low splats around, no farther than what is known."""
        cells = np.floor(self.points[:, :2] / CELL).astype(np.int64)
        names, which = np.unique(cells, axis=0, return_inverse=True)
        order = np.lexsort((self.points[:, 2], which.ravel()))
        counts = np.bincount(which.ravel())
        first = np.cumsum(counts) - counts
        heights = self.points[order, 2][first + counts * GROUND // 100]
        middles = (names + 0.5) * CELL
        apart = np.linalg.norm(np.asarray(places)[:, None, :2] - middles[None], axis=-1)
        near = np.argsort(apart, axis=1)[:, :5]
        return np.median(heights[near], axis=1)

    def clear(self, places, distance, closed=False):
        """Places [N, 3] of a path, moved until all are `distance` metres from what is solid, if they can be.

        Each is pushed away from its nearest point, across the path, and the pushes are evened out along it, so that
        it bends. What stands right in the way is passed on the right.
        """
        places = np.array(places, np.float64)
        for _ in range(ROUNDS):
            ahead, behind = np.roll(places, -1, 0), np.roll(places, 1, 0)
            if not closed:
                ahead[-1], behind[0] = places[-1], places[0]
            along = ahead - behind
            along /= np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
            points, apart = self.nearest(places)
            if (apart >= distance).all():
                break
            offset = places - points
            beside = (offset * along).sum(1)
            across = offset - beside[:, None] * along
            size = np.linalg.norm(across, axis=1)
            right = np.cross(along, (0.0, 0.0, 1.0)) + 1e-9
            right /= np.linalg.norm(right, axis=1)[:, None]
            way = np.where(size[:, None] > 1e-3, across / np.maximum(size, 1e-9)[:, None], right)
            lack = np.sqrt(np.maximum((1.05 * distance) ** 2 - beside**2, 0)) - size
            push = way * np.where(apart < distance, np.maximum(lack, 0), 0)[:, None]
            around = [np.roll(push, 1, 0), np.roll(push, -1, 0)]
            if not closed:
                around[0][0], around[1][-1] = push[0], push[-1]
            places += np.where(np.abs(push).sum(1, keepdims=True) > 0, push, 0.5 * (around[0] + around[1]))
        return places
