"""Splats in the viewport as the final frame shows them, where Blender does not draw them itself (below 5.3).

EWA splatting in the vertex shader, as the backend's rasterizer does it: every splat is a quad, farthest first, laid
over the others by its alpha. What a splat is lies in textures, written once, for all objects together, so that they are
sorted together; a thread sorts, and only the order goes to the GPU when the view has turned. Colours are blended as
they are encoded, in a picture of their own that is then laid over the viewport, for that is what the reference does.
"""

import math
from dataclasses import dataclass, field

import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..scene.rotations import matrices
from .sorting import NEAR, ROW, Piece, Sorter, by_lot

MOST = 16_000_000  # splats: float32 counts no farther, and the order is a texture of floats
ALPHA_MIN = 1 / 255
EPS2D = 0.3  # px^2, variance of the pixel
MOST_SWELL = 4.0  # of a splat's area, where only a share is drawn
CROPS = 4  # of an object, at most; more are left to Blender's modifiers
SELECTED, HIDDEN = 1, 2  # states of a splat, bits
TINT = (1.0, 0.45, 0.05)  # of selected splats, sRGB-encoded

VERTEX = """
vec4 texel(sampler2D source, int index)
{
  return texelFetch(source, ivec2(index % ROW, index / ROW), 0);
}

vec3 seen_colour(int splat, vec3 d)
{
  vec3 colour = texel(places, 3 * splat + 2).yzw;
  if (degree < 1) { return max(colour, vec3(0.0)); }
  float basis[16];
  float x = d.x, y = d.y, z = d.z, xx = x * x, yy = y * y, zz = z * z;
  basis[1] = -0.4886025119029199 * y; basis[2] = 0.4886025119029199 * z; basis[3] = -0.4886025119029199 * x;
  int count = 4;
  if (degree > 1) {
    basis[4] = 1.0925484305920792 * x * y; basis[5] = -1.0925484305920792 * y * z;
    basis[6] = 0.31539156525252005 * (2.0 * zz - xx - yy); basis[7] = -1.0925484305920792 * x * z;
    basis[8] = 0.5462742152960396 * (xx - yy);
    count = 9;
  }
  if (degree > 2) {
    basis[9] = -0.5900435899266435 * y * (3.0 * xx - yy); basis[10] = 2.890611442640554 * x * y * z;
    basis[11] = -0.4570457994644658 * y * (4.0 * zz - xx - yy);
    basis[12] = 0.3731763325901154 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy);
    basis[13] = -0.4570457994644658 * x * (4.0 * zz - xx - yy);
    basis[14] = 1.445305721320277 * z * (xx - yy); basis[15] = -0.5900435899266435 * x * (xx - 3.0 * yy);
    count = 16;
  }
  for (int k = 1; k < count; k++) {
    colour += basis[k] * texel(harmonics, splat * (count - 1) + k - 1).rgb;
  }
  return max(colour, vec3(0.0));
}

vec4 placed(int placement, int index)
{
  return texelFetch(placements, ivec2(index, placement), 0);
}

mat4 matrix_of(int placement, int index)
{
  return mat4(placed(placement, index), placed(placement, index + 1), placed(placement, index + 2),
              placed(placement, index + 3));
}

bool is_cropped(int placement, vec3 at)
{
  int crops = int(placed(placement, 4).x);
  for (int i = 0; i < crops; i++) {
    vec4 kind = placed(placement, 5 + 5 * i);
    vec3 within = abs((matrix_of(placement, 6 + 5 * i) * vec4(at, 1.0)).xyz);
    float reach = kind.x > 0.5 ? length(within) : max(within.x, max(within.y, within.z));
    if ((reach > 1.0) != (kind.y > 0.5)) { return true; }
  }
  return false;
}

/* The one place where a splat's opacity is read: what depends on the view (scale-adaptive zooms) belongs here.
   depth: metres before the camera. */
float seen_opacity(int splat, float depth)
{
  return texel(strengths, splat).r;
}

void main()
{
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  vec4 entry = texel(order, gl_InstanceID);
  int splat = int(entry.r), placement = int(entry.g);
  int state = int(texel(states, splat).r);
  vec4 first = texel(places, 3 * splat), second = texel(places, 3 * splat + 1);
  float last = texel(places, 3 * splat + 2).x;
  if (state >= HIDDEN || is_cropped(placement, first.xyz)) { return; }
  mat4 to_camera = matrix_of(placement, 0);
  vec3 at = (to_camera * vec4(first.xyz, 1.0)).xyz;
  float depth = -at.z;
  if (depth < NEAR && modes.x < 0.5) { return; }
  mat3 spread = mat3(first.w, second.x, second.y, second.x, second.z, second.w, second.y, second.w, last);
  mat3 W = mat3(to_camera);
  mat3 V = W * (placed(placement, 4).y * spread) * transpose(W);
  bool parallel = modes.x > 0.5;
  vec2 slope = parallel ? at.xy : at.xy / depth, f = 0.5 * lens.xy * size;
  vec3 jx = vec3(f.x, 0.0, 0.0), jy = vec3(0.0, f.y, 0.0);
  if (!parallel) {
    vec2 held = clamp(slope, (-1.3 - lens.zw) / lens.xy, (1.3 - lens.zw) / lens.xy);
    jx = vec3(f.x, 0.0, f.x * held.x) / depth;
    jy = vec3(0.0, f.y, f.y * held.y) / depth;
  }
  vec3 covariance = vec3(dot(jx, V * jx), dot(jx, V * jy), dot(jy, V * jy)) + vec3(EPS2D, 0.0, EPS2D);
  float det = covariance.x * covariance.z - covariance.y * covariance.y;
  float strength = seen_opacity(splat, depth);
  if (det <= 0.0 || strength < ALPHA_MIN) { return; }
  conic = vec3(covariance.z, -covariance.y, covariance.x) / det;
  float reach = sqrt(2.0 * log(strength / ALPHA_MIN));
  vec2 corner = vec2(covariance.x, covariance.z);
  corner = corner_at * reach * sqrt(corner);
  float z = (depths.y - depths.x * depth) / (parallel ? 1.0 : depth);
  gl_Position = vec4(lens.xy * slope + lens.zw + 2.0 * corner / size, z, 1.0);
  offset = corner;
  vec3 colour = seen_colour(splat, normalize(transpose(W) * (parallel ? vec3(0.0, 0.0, -1.0) : at)));
  splat_colour = vec4(state == SELECTED ? mix(colour, TINT, 0.65) : colour, strength);
}
"""
FRAGMENT = """
void main()
{
  float sigma = 0.5 * (conic.x * offset.x * offset.x + conic.z * offset.y * offset.y) + conic.y * offset.x * offset.y;
  float alpha = min(0.999, splat_colour.a * exp(-sigma));
  if (alpha < ALPHA_MIN) { discard; }
  if (modes.y > 0.5 && gl_FragCoord.z > texelFetch(scene_depth, ivec2(gl_FragCoord.xy), 0).r) { discard; }
  fragColor = vec4(splat_colour.rgb * alpha, alpha);
}
"""
LAY_VERTEX = """
void main()
{
  place = 0.5 * corner_at + 0.5;
  gl_Position = vec4(corner_at, 0.0, 1.0);
}
"""
LAY_FRAGMENT = """
void main()
{
  vec4 drawn = texture(picture, place);
  vec3 encoded = clamp(drawn.rgb / max(drawn.a, 1e-6), 0.0, 1.0);
  vec3 low = encoded / 12.92, high = pow((encoded + 0.055) / 1.055, vec3(2.4));
  fragColor = vec4(mix(high, low, lessThanEqual(encoded, vec3(0.04045))) * drawn.a, drawn.a);
}
"""
_shaders = {}
SOURCES = ("order", "places", "strengths", "harmonics", "states", "placements", "scene_depth")


def _shader(name):
    if name in _shaders:
        return _shaders[name]
    info = gpu.types.GPUShaderCreateInfo()
    interface = gpu.types.GPUStageInterfaceInfo(f"skyworld_{name}")
    info.vertex_in(0, "VEC2", "corner_at")
    info.fragment_out(0, "VEC4", "fragColor")
    if name == "splats":
        constants = {"ROW": ROW, "EPS2D": EPS2D, "NEAR": NEAR, "ALPHA_MIN": ALPHA_MIN}
        constants |= {"SELECTED": SELECTED, "HIDDEN": HIDDEN, "TINT": f"vec3{TINT}"}
        for key, value in constants.items():
            info.define(key, str(value))
        for slot, source in enumerate(SOURCES):
            info.sampler(slot, "FLOAT_2D", source)
        for kind, constant in (("VEC4", "lens"), ("VEC2", "depths"), ("VEC2", "size"), ("VEC2", "modes")):
            info.push_constant(kind, constant)
        info.push_constant("INT", "degree")
        interface.no_perspective("VEC2", "offset")
        interface.flat("VEC3", "conic")
        interface.flat("VEC4", "splat_colour")
        info.vertex_source(VERTEX)
        info.fragment_source(FRAGMENT)
    else:
        info.sampler(0, "FLOAT_2D", "picture")
        interface.smooth("VEC2", "place")
        info.vertex_source(LAY_VERTEX)
        info.fragment_source(LAY_FRAGMENT)
    info.vertex_out(interface)
    _shaders[name] = gpu.shader.create_from_info(info)
    return _shaders[name]


def _texture(values, kind):
    """Values [N, C] as a texture of rows of ROW texels."""
    rows = max(-(-len(values) // ROW), 1)
    flat = np.zeros((rows * ROW, values.shape[1]), np.float32)
    flat[: len(values)] = values
    return gpu.types.GPUTexture((ROW, rows), format=kind, data=gpu.types.Buffer("FLOAT", flat.size, flat.ravel()))


@dataclass(frozen=True)
class Crop:
    """What is left of a cloud: the inside of a box from -1 to 1, or of a ball of radius 1, or what lies outside.

    matrix: [4, 4] from the cloud's space to that of the box.
    """

    matrix: np.ndarray
    ball: bool = False
    outside: bool = False

    def key(self):
        return self.matrix.tobytes(), self.ball, self.outside


@dataclass(frozen=True)
class Placement:
    """Where one of a drawing's clouds is to be seen; a cloud may stand in several places.

    to_camera: [4, 4] from the cloud's space to the camera's (looking along -z), without shear.
    cloud: its number.  share: of its splats, the first by lot.  crops: at most CROPS of them.
    """

    to_camera: np.ndarray
    cloud: int = 0
    share: float = 1.0
    crops: tuple = ()


@dataclass
class View:
    """What is kept for one 3D view: its order of the splats, and how many orders it has had."""

    sorter: Sorter = field(default_factory=Sorter)
    order: gpu.types.GPUTexture | None = None
    count: int = 0
    share: float = 1.0  # of what it sees, that it draws
    orders: int = 0


class Drawing:
    """What the GPU holds of some clouds of splats: all of them if they are no more than `budget`, else a share.

    clouds: list of `Splats`, each in its own space.  chosen: for each the indices of what is held, as `by_lot`.
    """

    def __init__(self, clouds, budget=MOST):
        total = sum(map(len, clouds))
        self.share = share = min(1.0, min(budget, MOST) / max(total, 1))
        self.chosen, self.counts = [], [len(cloud) for cloud in clouds]
        for cloud in clouds:
            self.chosen.append(by_lot(cloud.scales, cloud.opacities)[: max(1, int(share * len(cloud)))])
        parts = list(zip(clouds, self.chosen, strict=True))
        self.means = [np.ascontiguousarray(cloud.means[part].T) for cloud, part in parts]
        self.reach = [3 * cloud.scales[part].max(1) for cloud, part in parts]
        self.starts = np.cumsum([0, *map(len, self.chosen)])
        self.degree = min(3, max(round(math.sqrt(len(cloud.sh) + 1)) - 1 for cloud in clouds))
        self._upload(parts)
        self._states = [np.zeros(len(part), np.float32) for part in self.chosen]
        self._state_texture = None
        self.states_written = 0  # how often

    def _upload(self, parts):
        K = (self.degree + 1) ** 2 - 1
        places = np.empty((len(self), 12), np.float32)
        harmonics = np.zeros((len(self) * K, 4), np.float32)
        strengths = np.empty((len(self), 1), np.float32)
        for start, (cloud, part) in zip(self.starts, parts, strict=False):
            at = slice(start, start + len(part))
            places[at, :3] = cloud.means[part]
            places[at, 3:9] = covariances(cloud.scales[part], cloud.quats[part])
            places[at, 9:] = 0.5 + 0.28209479177387814 * cloud.dc[part]
            strengths[at, 0] = cloud.opacities[part]
            rows = harmonics[start * K : (start + len(part)) * K].reshape(len(part), K, 4)
            for k, coefficients in enumerate(cloud.sh[:K]):
                rows[:, k, :3] = coefficients[part]
        self.places = _texture(places.reshape(-1, 4), "RGBA32F")
        self.strengths = _texture(strengths, "R32F")
        self.harmonics = _texture(harmonics, "RGBA16F")

    def __len__(self):
        return int(self.starts[-1])

    def set_states(self, cloud, states):
        """states: [N] of all splats of that cloud, SELECTED and HIDDEN or 0."""
        self._states[cloud] = np.asarray(states, np.float32)[self.chosen[cloud]]
        self._state_texture = None
        self.states_written += 1

    def sort(self, view, placements, projection, *, most=MOST, wait=False):
        """Takes up the order that has come for `view` and asks for the next.

        view: the `View` that keeps the order.  placements: list of `Placement`.  projection: [4, 4].
        most: splats that are drawn at most.  wait: for the order of just this view.
        Returns whether the order is that of this view; if not, it is on its way.
        """
        pieces = [
            Piece(self.means[p.cloud], self.reach[p.cloud], int(self.starts[p.cloud]), p.to_camera, p.share)
            for p in placements
        ]
        found, ready = view.sorter.order(pieces, projection, most, wait)
        if found is not None:
            view.count, flat, view.share = found
            view.orders += 1
            kind = "RG32F" if flat.shape[1] == 2 else "R32F"
            data = gpu.types.Buffer("FLOAT", flat.size, flat.ravel())
            view.order = gpu.types.GPUTexture((ROW, len(flat) // ROW), format=kind, data=data)
        return ready

    def draw(self, view, placements, projection, width, height, *, depth=None):
        """Draws the view's order into the framebuffer at hand, whose blending this sets.

        depth: texture of the scene's depth, of the same size, or None.
        """
        if view.order is None or view.count == 0:
            return
        P = np.asarray(projection, np.float64)
        parallel = bool(P[3, 3] > 0.5)
        if self._state_texture is None:
            self._state_texture = _texture(np.concatenate(self._states)[:, None], "R32F")
        placed = _placement_texture(placements, view.share * self.share)  # held until it is drawn
        middle = P[:2, 3] if parallel else -P[:2, 2]
        shader = _shader("splats")
        shader.bind()
        shader.uniform_sampler("order", view.order)
        shader.uniform_sampler("places", self.places)
        shader.uniform_sampler("strengths", self.strengths)
        shader.uniform_sampler("harmonics", self.harmonics)
        shader.uniform_sampler("states", self._state_texture)
        shader.uniform_sampler("placements", placed)
        shader.uniform_sampler("scene_depth", depth or self.strengths)
        shader.uniform_float("lens", (P[0, 0], P[1, 1], *middle))
        shader.uniform_float("depths", (P[2, 2], P[2, 3]))
        shader.uniform_float("size", (width, height))
        shader.uniform_float("modes", (float(parallel), float(depth is not None)))
        shader.uniform_int("degree", self.degree)
        gpu.state.depth_test_set("NONE")
        gpu.state.blend_set("ALPHA_PREMULT")
        _quad("splats").draw_instanced(shader, instance_start=0, instance_count=view.count)
        gpu.state.blend_set("NONE")


def _placement_texture(placements, drawn):
    """A row each: the matrix by columns, the number of crops and a factor, then each crop's kind and matrix.

    The factor is of the splats' area: where only a share is `drawn` they are larger, and what they show stays closed.
    """
    rows = np.zeros((len(placements), 5 + 5 * CROPS, 4), np.float32)
    for row, placement in zip(rows, placements, strict=True):
        row[:4] = np.asarray(placement.to_camera).T
        row[4, :2] = len(placement.crops), min(MOST_SWELL, 1 / max(drawn * placement.share, 1e-9))
        for i, crop in enumerate(placement.crops):
            row[5 + 5 * i, :2] = crop.ball, crop.outside
            row[6 + 5 * i : 10 + 5 * i] = crop.matrix.T
    data = gpu.types.Buffer("FLOAT", rows.size, rows.ravel())
    return gpu.types.GPUTexture((rows.shape[1], len(rows)), format="RGBA32F", data=data)


_quads = {}


def _quad(name):
    if name not in _quads:
        corners = {"corner_at": [(-1, -1), (1, -1), (-1, 1), (1, 1)]}
        _quads[name] = batch_for_shader(_shader(name), "TRI_STRIP", corners)
    return _quads[name]


def lay_over(picture):
    """Lays a texture of premultiplied, sRGB-encoded colours over the framebuffer at hand, which is linear."""
    shader = _shader("lay")
    shader.bind()
    shader.uniform_sampler("picture", picture)
    gpu.state.blend_set("ALPHA_PREMULT")
    _quad("lay").draw(shader)
    gpu.state.blend_set("NONE")


def covariances(scales, quats):
    """Upper triangles [N, 6] of R S^2 R^T: xx, xy, xz, yy, yz, zz."""
    M = np.moveaxis(matrices(quats), 0, -1) * scales.T[None]
    upper = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    return np.stack([(M[i] * M[j]).sum(0) for i, j in upper], 1).astype(np.float32)
