"""Which splats are selected, and which are hidden in the viewport: two boolean attributes of the point cloud.

The selection is the one of Blender's own Edit Mode for point clouds. An attribute that is not there says no of all.
"""

import numpy as np

SELECTION, HIDDEN = ".selection", ".hidden"
NEIGHBOURS = 6  # of a splat, for `strays`
on_change = []  # functions called with the point cloud whose selection or hiding has changed


def count(data):
    return len(data.attributes["position"].data)


def get(data, name=SELECTION):
    """[N] bool. In Edit Mode's attribute, nothing there means all; here it means none."""
    mask = np.zeros(count(data), bool)
    attribute = data.attributes.get(name)
    if attribute is not None and attribute.data_type == "BOOLEAN":
        attribute.data.foreach_get("value", mask)
    return mask


def put(data, mask, name=SELECTION):
    """Writes a mask [N] bool; one without any leaves no attribute behind."""
    attribute = data.attributes.get(name)
    if attribute is None:
        attribute = data.attributes.new(name, "BOOLEAN", "POINT")
    attribute.data.foreach_set("value", np.ascontiguousarray(mask, bool))
    for function in on_change:
        function(data)


def combined(before, chosen, mode):
    """A mask after `chosen` was selected: SET, ADD or SUBTRACT."""
    if mode == "SET":
        return chosen
    return before | chosen if mode == "ADD" else before & ~chosen


def strays(means, scales, *, deviations=2.0):
    """[N] those that float alone: far from their neighbours for their size.

    Statistical outlier removal (Rusu and others 2008, "Towards 3D point cloud based object maps"), on the logarithm of
    the mean distance to the nearest NEIGHBOURS by a splat's own size, so that a world's coarse far parts are judged by
    their own measure. deviations: of that logarithm, above its mean. Neighbours are found along space-filling curves,
    so a distance may come out a little long.
    """
    if len(means) <= NEIGHBOURS:
        return np.zeros(len(means), bool)
    size = np.cbrt(np.maximum(scales, 1e-9).prod(1))
    lonely = np.log(neighbour_distances(means) / size)
    return lonely > lonely.mean() + deviations * lonely.std()


def neighbour_distances(means, curves=2):
    """[N] mean distance to about the NEIGHBOURS nearest, the least that is found along some shifted Morton curves."""
    low, size = means.min(0), max(float(np.ptp(means, axis=0).max()), 1e-9)
    best = np.full(len(means), np.inf, np.float32)
    half = NEIGHBOURS // 2
    for shift in np.linspace(0, 0.5, curves, endpoint=False):
        cells = ((means - low) / size * 0.66 + shift / 1.5) * (1 << 20)
        order = np.argsort(_morton(cells.astype(np.uint64)))
        along = means[order]
        total = np.zeros(len(means), np.float32)
        number = np.zeros(len(means), np.float32)
        for step in range(1, half + 1):
            apart = along[step:] - along[:-step]
            apart = np.sqrt(np.einsum("ij,ij->i", apart, apart))
            total[step:] += apart
            total[:-step] += apart
            number[step:] += 1
            number[:-step] += 1
        best[order] = np.minimum(best[order], total / number)
    return np.maximum(best, 1e-9)


def _morton(cells):
    """[N] uint64: the bits of cells [N, 3] of 20 bits, interleaved."""
    out = np.zeros(len(cells), np.uint64)
    for axis in range(3):
        bits = cells[:, axis] & np.uint64(0x1FFFFF)
        for move, mask in (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ):
            bits = (bits | (bits << np.uint64(move))) & np.uint64(mask)
        out |= bits << np.uint64(axis)
    return out
