"""Splats in the viewport as the final frame shows them, where Blender does not draw them itself (below 5.3).

EWA splatting in the vertex shader, as the backend's rasterizer does it: every splat is a quad, farthest first, laid
over the others by its alpha. What a splat is lies in textures, written once; a thread sorts, and only the order goes
to the GPU when the view has turned. Colours are blended as they are encoded, in a picture of their own that is then
laid over the viewport, for that is what the reference does.
"""

import math
import threading

import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader
from mathutils import Matrix

ROW = 4096  # texels in a row of a texture
MOST = 16_000_000  # splats of one object: float32 counts no farther, and the order is a texture of floats
ALPHA_MIN = 1 / 255
EPS2D = 0.3  # px^2, variance of the pixel
NEAR = 0.01  # metres

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

void main()
{
  gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
  int splat = int(texel(order, gl_InstanceID).r);
  vec4 first = texel(places, 3 * splat), second = texel(places, 3 * splat + 1);
  float last = texel(places, 3 * splat + 2).x;
  vec3 at = (to_camera * vec4(first.xyz, 1.0)).xyz;
  float depth = -at.z;
  if (depth < NEAR && modes.x < 0.5) { return; }
  mat3 spread = mat3(first.w, second.x, second.y, second.x, second.z, second.w, second.y, second.w, last);
  mat3 W = mat3(to_camera);
  mat3 V = W * spread * transpose(W);
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
  float strength = texel(strengths, splat).r;
  if (det <= 0.0 || strength < ALPHA_MIN) { return; }
  conic = vec3(covariance.z, -covariance.y, covariance.x) / det;
  float reach = sqrt(2.0 * log(strength / ALPHA_MIN));
  vec2 corner = vec2(covariance.x, covariance.z);
  corner = corner_at * reach * sqrt(corner);
  float z = (depths.y - depths.x * depth) / (parallel ? 1.0 : depth);
  gl_Position = vec4(lens.xy * slope + lens.zw + 2.0 * corner / size, z, 1.0);
  offset = corner;
  splat_colour = vec4(seen_colour(splat, normalize(transpose(W) * (parallel ? vec3(0.0, 0.0, -1.0) : at))), strength);
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


def _shader(name):
    if name in _shaders:
        return _shaders[name]
    info = gpu.types.GPUShaderCreateInfo()
    interface = gpu.types.GPUStageInterfaceInfo(f"skyworld_{name}")
    info.vertex_in(0, "VEC2", "corner_at")
    info.fragment_out(0, "VEC4", "fragColor")
    if name == "splats":
        for key, value in (("ROW", ROW), ("EPS2D", EPS2D), ("NEAR", NEAR), ("ALPHA_MIN", ALPHA_MIN)):
            info.define(key, str(value))
        for slot, source in enumerate(("order", "places", "strengths", "harmonics", "scene_depth")):
            info.sampler(slot, "FLOAT_2D", source)
        # 124 bytes: some GPUs have no more than 128.
        for kind, constant in (("MAT4", "to_camera"), ("VEC4", "lens"), ("VEC2", "depths"), ("VEC2", "size")):
            info.push_constant(kind, constant)
        info.push_constant("VEC2", "modes")
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
    rows = -(-len(values) // ROW)
    flat = np.zeros((max(rows, 1) * ROW, values.shape[1]), np.float32)
    flat[: len(values)] = values
    data = gpu.types.Buffer("FLOAT", flat.size, flat.ravel())
    return gpu.types.GPUTexture((ROW, max(rows, 1)), format=kind, data=data)


class Drawing:
    """What the GPU holds of one point cloud, and the order in which it is drawn.

    cloud: `Splats` in the object's own space.  budget: how many are drawn at most; the largest and most opaque are.
    """

    def __init__(self, cloud, budget=MOST):
        importance = cloud.opacities * np.sort(cloud.scales, axis=1)[:, 1:].prod(1)
        most = min(len(cloud), budget, MOST)
        self.chosen = np.arange(len(cloud))
        if most < len(cloud):
            self.chosen = np.sort(np.argpartition(-importance, most)[:most])
        part = self.chosen
        self.means = np.ascontiguousarray(cloud.means[part])
        spread = covariances(cloud.scales[part], cloud.quats[part])
        base = 0.5 + 0.28209479177387814 * cloud.dc[part]
        self.places = _texture(np.concatenate([self.means, spread, base], 1).reshape(-1, 4), "RGBA32F")
        self.strengths = _texture(cloud.opacities[part][:, None], "R32F")
        self.degree = round(math.sqrt(len(cloud.sh) + 1)) - 1
        self.degree = min(self.degree, 3)
        used = cloud.sh[: (self.degree + 1) ** 2 - 1][:, part]
        rows = np.pad(used.transpose(1, 0, 2).reshape(-1, 3), ((0, 0), (0, 1))) if len(used) else np.zeros((1, 4))
        self.harmonics = _texture(rows, "RGBA16F")
        self.sorter = Sorter(self.means)
        self._order = None

    def __len__(self):
        return len(self.means)

    def draw(self, view, projection, width, height, *, depth=None, wait=False):
        """Draws into the framebuffer at hand, whose blending this sets.

        view: [4, 4] from the object's space to the camera's (looking along -z), without shear.  projection: [4, 4].
        depth: texture of the scene's depth, of the same size, or None.  wait: for the order of just this view.
        Returns whether the order is that of this view; if not, it is on its way.
        """
        P = np.asarray(projection, np.float64)
        parallel = bool(P[3, 3] > 0.5)
        order, ready = self.sorter.order(view, parallel, wait)
        if order is not None:
            self._order = _texture(order.astype(np.float32)[:, None], "R32F")
        if self._order is None:
            return False
        middle = P[:2, 3] if parallel else -P[:2, 2]
        shader = _shader("splats")
        shader.bind()
        shader.uniform_sampler("order", self._order)
        shader.uniform_sampler("places", self.places)
        shader.uniform_sampler("strengths", self.strengths)
        shader.uniform_sampler("harmonics", self.harmonics)
        shader.uniform_sampler("scene_depth", depth or self.strengths)
        shader.uniform_float("to_camera", Matrix(np.asarray(view).tolist()))
        shader.uniform_float("lens", (P[0, 0], P[1, 1], *middle))
        shader.uniform_float("depths", (P[2, 2], P[2, 3]))
        shader.uniform_float("size", (width, height))
        shader.uniform_float("modes", (float(parallel), float(depth is not None)))
        shader.uniform_int("degree", self.degree)
        gpu.state.depth_test_set("NONE")
        gpu.state.blend_set("ALPHA_PREMULT")
        _quad("splats").draw_instanced(shader, instance_start=0, instance_count=len(self))
        gpu.state.blend_set("NONE")
        return ready


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
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    R = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    M = R * scales.T[None]
    upper = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    return np.stack([(M[i] * M[j]).sum(0) for i, j in upper], 1).astype(np.float32)


class Sorter:
    """Sorts points [N, 3] by depth in a thread of its own, the farthest first, for the last view that was asked for."""

    TURN, SHIFT = math.cos(math.radians(0.5)), 0.05  # what a view may differ by and keep its order; metres

    def __init__(self, points):
        self._points = points
        self._thread = None
        self._asked = None  # the view that is being sorted, or was: the row [4] that gives the depth, and `parallel`
        self._found = None

    def order(self, view, parallel=False, wait=False):
        """(indices [N] that have come since the last call, or None; whether they are for this view)."""
        row = -np.asarray(view, np.float64)[2]
        if self._thread is None and not self._near(row, parallel):
            self._asked = row, parallel
            self._thread = threading.Thread(target=self._sort, args=self._asked, daemon=True)
            self._thread.start()
        if self._thread is not None and (wait or not self._thread.is_alive()):
            self._thread.join()
            self._thread = None
            found, self._found = self._found, None
            if wait and not self._near(row, parallel):
                return self.order(view, parallel, wait)
            return found, self._near(row, parallel)
        return None, self._thread is None

    def _near(self, row, parallel):
        """Whether a sort would come out as the last one: of the same direction, or nearly, and from about there."""
        if self._asked is None or self._asked[1] != parallel:
            return False
        asked = self._asked[0]
        a, b = row[:3] / np.linalg.norm(row[:3]), asked[:3] / np.linalg.norm(asked[:3])
        return bool(a @ b >= self.TURN) and abs(row[3] - asked[3]) <= self.SHIFT

    def _sort(self, row, parallel):
        self._found = sort_by_depth(self._points, row, parallel)


def sort_by_depth(points, row, parallel=False):
    """Indices of points [N, 3] by depth = row . (x, y, z, 1), the farthest first: a radix sort of 16-bit keys.

    In perspective the keys are even in the depth's logarithm: near splats are told apart where far ones need not be.
    """
    depth = points @ row[:3].astype(np.float32) + np.float32(row[3])
    if not parallel:
        np.maximum(depth, NEAR, out=depth)
        np.log(depth, out=depth)
    low, high = float(depth.min()), float(depth.max())
    depth -= high
    depth *= -65535 / max(high - low, 1e-9)
    return np.argsort(depth.astype(np.uint16), kind="stable")
