"""The surface of a distance field as a mesh: naive surface nets (Gibson 1998), and fewer triangles by clustering."""

from collections.abc import Iterable

import numpy as np

from skyworld.splats.rasterize.occluders import Occluders

RINGS = 2  # of triangles around one that are asked with it: a small one may fall between the pixels


def surface_nets(distance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [V, 3] in samples and triangles [T, 3], facing where the distance [X, Y, Z] is above 0.

    A cell whose eight corners are known and not all of one sign has one vertex, the mean of where its edges cross zero.
    """
    corners = np.stack([distance[_cells(*offset)] for offset in np.ndindex(2, 2, 2)])
    known = np.isfinite(corners).all(0)
    inside = (corners < 0).sum(0)
    cells = np.argwhere(known & (inside > 0) & (inside < 8))
    rows = np.full(known.shape, -1, np.int64)
    rows[tuple(cells.T)] = np.arange(len(cells))
    values = corners[:, *cells.T].reshape(2, 2, 2, -1)
    total, count = np.zeros((len(cells), 3)), np.zeros(len(cells))
    for axis in range(3):
        near, far = (np.take(values, side, axis) for side in (0, 1))
        for i, j in np.ndindex(2, 2):
            a, b = near[i, j], far[i, j]
            crosses = (a < 0) != (b < 0)
            place = np.insert(np.array([i, j], float), axis, 0.0)[None].repeat(len(cells), 0)
            place[:, axis] = np.divide(a, a - b, out=np.zeros_like(a), where=crosses)
            total += np.where(crosses[:, None], place, 0)
            count += crosses
    vertices = cells + total / np.maximum(count, 1)[:, None]
    triangles = [_faces(distance, rows, axis) for axis in range(3)]
    return vertices, np.concatenate(triangles)


def _cells(i, j, k):
    return tuple(slice(offset, -1 if offset == 0 else None) for offset in (i, j, k))


def _faces(distance, rows, axis):
    """Two triangles for each edge along `axis` that crosses zero between four cells with vertices."""
    value = np.moveaxis(distance, axis, 0)
    cell = np.moveaxis(rows, axis, 0)
    a, b = value[:-1, 1:-1, 1:-1], value[1:, 1:-1, 1:-1]
    around = np.stack([cell[:, :-1, :-1], cell[:, 1:, :-1], cell[:, 1:, 1:], cell[:, :-1, 1:]], -1)
    with np.errstate(invalid="ignore"):
        crosses = ((a < 0) != (b < 0)) & np.isfinite(a) & np.isfinite(b) & (around >= 0).all(-1)
    quads, outward = around[crosses], a[crosses] < 0
    # moveaxis of the second axis to the front leaves a left-handed order of the three
    flipped = outward == (axis == 1)
    quads[flipped] = quads[flipped][:, ::-1]
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def largest_parts(triangles: np.ndarray, count: int, least: int) -> np.ndarray:
    """Triangles without the pieces of the surface that have fewer than `least` of them. count: vertices."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
    graph = coo_array((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, part = connected_components(graph, directed=False)
    sizes = np.bincount(part[triangles[:, 0]], minlength=part.max() + 1)
    return triangles[sizes[part[triangles[:, 0]]] >= least]


def in_sight(vertices: np.ndarray, triangles: np.ndarray, cameras: Iterable, slack: float) -> np.ndarray:
    """[T] whether cameras see most of the triangles around one: not so under the ground, through a gap at most.

    slack: metres that the middle of a triangle may lie behind the nearest surface.
    """
    mesh, middles = Occluders(vertices, triangles), vertices[triangles].mean(1)
    seen = np.zeros(len(triangles), bool)
    for camera in cameras:
        x, y, z = ((middles - camera.position) @ camera.rotation).T
        (fx, _, cx), (_, fy, cy), _ = camera.K.tolist()
        with np.errstate(divide="ignore", invalid="ignore"):
            column, row = fx * x / z + cx, fy * y / z + cy
        inside = np.flatnonzero((z > 0) & (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height))
        nearest = mesh.depth(camera)[row[inside].astype(int), column[inside].astype(int)]
        seen[inside[z[inside] <= nearest + slack]] = True
    share, uses = seen.astype(float), np.maximum(np.bincount(triangles.reshape(-1), minlength=len(vertices)), 1)
    for _ in range(RINGS):
        around = np.bincount(triangles.reshape(-1), np.repeat(share, 3), len(vertices)) / uses
        share = around[triangles].mean(1)
    return share >= 0.5


def clustered(vertices: np.ndarray, triangles: np.ndarray, budget: int) -> tuple[np.ndarray, np.ndarray]:
    """At most `budget` triangles: vertices of one cell of a grid become their mean (Rossignac and Borrel 1993)."""
    low, high = 0.0, float(np.ptp(vertices, axis=0).max())
    kept = compact(vertices, triangles)
    if len(triangles) <= budget:
        return kept
    for _ in range(12):
        edge = (low + high) / 2 if low else high / 64
        kept = _merged(vertices, triangles, edge)
        if len(kept[1]) > budget:
            low = edge
        else:
            high, best = edge, kept
            if len(kept[1]) > 0.9 * budget:
                break
    return best


def _merged(vertices, triangles, edge):
    keys = np.floor((vertices - vertices.min(0)) / edge).astype(np.int64)
    _, owner = np.unique(keys, axis=0, return_inverse=True)
    owner = owner.reshape(-1)
    count = np.bincount(owner)
    means = np.stack([np.bincount(owner, vertices[:, axis]) / count for axis in range(3)], -1)
    merged = owner[triangles]
    a, b, c = merged.T
    merged = merged[(a != b) & (b != c) & (c != a)]
    _, first = np.unique(np.sort(merged, 1), axis=0, return_index=True)
    return compact(means, merged[np.sort(first)])


def compact(vertices: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same without vertices that no triangle uses."""
    used, rows = np.unique(triangles, return_inverse=True)
    return vertices[used], rows.reshape(-1, 3)
