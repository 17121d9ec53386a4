"""What makes the street rich enough to walk through: setts, slabs, crossings, lamps, planters, awnings, signs."""

import math

import bpy
import nature
import numpy as np
from mathutils import Matrix
from nature import box, bush, lathe, material, mosaic, turned_matrix
from panoramas import street


def dressed_street(seed: int) -> None:
    """The street with its sun in the side of it, so that no view looks into it."""
    street(np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    nature.sky(bpy.context.scene, elevation=50, azimuth=128, strength=0.14, clouds=0.5, seed=2)
    tones = [(0.10, 0.1, 0.105), (0.15, 0.145, 0.14), (0.2, 0.185, 0.165), (0.13, 0.11, 0.1), (0.24, 0.23, 0.21)]
    setts = [material("sett", tuple(0.8 * c for c in tone), tone, 14, bump=0.3, islands=0.1) for tone in tones]
    road = rng.choice(len(setts), (420, 34), p=(0.3, 0.3, 0.2, 0.12, 0.08))
    white = len(setts)
    setts.append(material("marking", (0.42, 0.42, 0.4), (0.66, 0.65, 0.62), 5, bump=0.2))
    stripes = np.arange(34) % 4 < 2
    for crossing in (150, 262):
        road[crossing : crossing + 12][:, stripes] = white
    mosaic("setts", setts, road, (10.4, 84.0), turned_matrix(0, 0, 0.006, 0))
    slabs = [material("slab", tuple(0.85 * c for c in t), t, 6, bump=0.25, islands=0.12) for t in
             ((0.3, 0.28, 0.25), (0.38, 0.36, 0.33), (0.34, 0.29, 0.24), (0.25, 0.25, 0.25))]  # fmt: skip
    iron = material("iron", (0.02, 0.025, 0.025), (0.05, 0.055, 0.05), 12, roughness=0.45)
    clay = material("terracotta", (0.36, 0.15, 0.07), (0.52, 0.25, 0.13), 7, bump=0.3)
    milk = material("milk glass", (0.8, 0.78, 0.7), (0.9, 0.88, 0.8), 1, roughness=0.2)
    leaf = material("box leaf", (0.04, 0.1, 0.02), (0.14, 0.24, 0.06), 9, islands=0.3, translucent=0.25)
    petals = (((0.6, 0.02, 0.04), (0.85, 0.1, 0.1)), ((0.5, 0.05, 0.4), (0.75, 0.2, 0.6)),
              ((0.8, 0.45, 0.02), (0.9, 0.7, 0.1)))  # fmt: skip
    blooms = [material("bloom", dark, light, 5, islands=0.2, translucent=0.2) for dark, light in petals]
    plants = [bush("plant", leaf, rng, radius=0.34, leaves=900, size=0.045, flowers=b, share=0.3) for b in blooms]
    for each in plants:
        bpy.context.scene.collection.objects.unlink(each)
    pot = [(0.16, 0), (0.24, 0.4), (0.28, 0.4), (0.28, 0.48), (0.22, 0.48), (0.2, 0.4)]
    post = [(0.14, 0), (0.14, 0.25), (0.06, 0.35), (0.05, 3.1), (0.1, 3.15), (0.05, 3.25)]
    lantern = [(0.08, 3.25), (0.16, 3.7), (0.2, 3.72), (0.02, 3.95)]
    dyes = ((0.5, 0.05, 0.04), (0.72, 0.68, 0.6), (0.04, 0.2, 0.12), (0.06, 0.12, 0.32), (0.7, 0.42, 0.08))
    cloths = [material("cloth", tuple(0.8 * c for c in tone), tone, 20) for tone in dyes]
    for side in (-1, 1):
        pattern = rng.integers(0, len(slabs), (140, 4))
        mosaic("slabs", slabs, pattern, (2.2, 84.0), turned_matrix(side * 6.4, 0, 0.126, 0))
        for y in np.arange(-26, 30, 9.0) + 2.5 * side:
            at = turned_matrix(side * 5.6, y, 0.12, 0)
            lathe("post", post, iron, at)
            lathe("lantern", lantern[:2], milk, at, 6)
            lathe("hood", lantern[2:], iron, at, 6)
        for y in np.arange(-24, 26, 3.1):
            at = turned_matrix(side * 7.15, y + rng.uniform(-0.9, 0.9), 0.12, 0)
            lathe("pot", pot, clay, at)
            plant = bpy.data.objects.new("plant", plants[rng.integers(3)].data)
            bpy.context.scene.collection.objects.link(plant)
            plant.matrix_world = at @ turned_matrix(0, 0, 0.4, rng.uniform(0, 6))
            plant.scale = [rng.uniform(0.9, 1.4)] * 3
        for y in np.arange(-21, 24, 7.4) + 1.7 * side:
            stripe = np.tile(np.where(np.arange(16) % 2, 1, rng.choice((0, 2, 3, 4))), (2, 1))
            tilt = Matrix.Rotation(side * -0.42, 4, "Y")
            turn = Matrix.Rotation(math.pi / 2, 4, "Z")
            mosaic("awning", cloths, stripe, (3.0, 1.1), turned_matrix(side * 7.05, y, 2.72, 0) @ tilt @ turn)
            tone = cloths[rng.integers(len(cloths))]
            box("sign", (0.06, 0.7, 0.5), (side * 7.42, y + 1.9, 2.6), tone)
