"""A z-buffer rasteriser for the CPU, in numba: which triangle each pixel shows, and where on it.

The pictures of the corpus go through here; PyTorch3D is the reference it is tested against (`rasterize_pytorch3d`). Screen
points hold u, v in pixels (v down, centres at + 0.5) and the depth z' (`camera.screen`). Coverage is decided in float64,
where the edge functions of float32 points are exact, so neighbouring triangles leave no cracks. 1/z' is linear on the
screen: it is what the z-buffer holds and what makes barycentrics perspective-correct. Kernels are compiled once, cached on
disk, and free of the interpreter lock, so frames run in threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch

from paperlib.errors import check_shape

NEAR = 0.1  # triangles with a corner nearer than this (units of 10 cm) are not drawn


@numba.njit(cache=True, nogil=True)
def _draw(points, triangles, cull, index, bary, corners, nearest):
    """Fill index (H, W) and bary (H, W, 3) from screen points (V, 3); corners (V, 3) and nearest (H, W) float64 are scratch."""
    height, width = index.shape
    index[:] = -1
    bary[:] = 0.0
    nearest[:] = 0.0
    for k in range(points.shape[0]):
        corners[k, 0], corners[k, 1] = points[k, 0], points[k, 1]
        corners[k, 2] = 1.0 / points[k, 2] if points[k, 2] > NEAR else np.nan
    for f in range(triangles.shape[0]):
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        ax, bx, cx = corners[a, 0], corners[b, 0], corners[c, 0]
        ay, by, cy = corners[a, 1], corners[b, 1], corners[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)  # v points down: negative is a front face
        if cull and area > 0.0:
            continue
        # from the first pixel centre at or right of the left corner to the last at or left of the right one; NaN fails every test
        left, right = max(min(ax, bx, cx), 0.5), min(max(ax, bx, cx), width - 0.5)
        top, bottom = max(min(ay, by, cy), 0.5), min(max(ay, by, cy), height - 0.5)
        if not (left <= right and top <= bottom):
            continue
        x0, x1 = int(np.ceil(left - 0.5)), int(right - 0.5)
        y0, y1 = int(np.ceil(top - 0.5)), int(bottom - 0.5)
        if x0 > x1 or y0 > y1:
            continue
        iz, jz, kz = corners[a, 2], corners[b, 2], corners[c, 2]
        if not (iz + jz + kz > 0.0) or area == 0.0:
            continue
        sign = 1.0 if area > 0.0 else -1.0
        scale = 1.0 / area
        iz, jz, kz = iz * scale, jz * scale, kz * scale
        for y in range(y0, y1 + 1):
            py = y + 0.5
            ra, rb, rc = (cx - bx) * (py - by), (ax - cx) * (py - cy), (bx - ax) * (py - ay)
            for x in range(x0, x1 + 1):
                px = x + 0.5
                wa = ra - (cy - by) * (px - bx)
                wb = rb - (ay - cy) * (px - cx)
                wc = rc - (by - ay) * (px - ax)
                if min(wa * sign, wb * sign, wc * sign) >= 0.0:
                    inverse = wa * iz + wb * jz + wc * kz
                    if inverse > nearest[y, x]:
                        nearest[y, x] = inverse
                        index[y, x] = f
    for y in range(height):  # weights only for the triangles that stayed in front
        py = y + 0.5
        for x in range(width):
            f = index[y, x]
            if f < 0:
                continue
            px = x + 0.5
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            ax, bx, cx = corners[a, 0], corners[b, 0], corners[c, 0]
            ay, by, cy = corners[a, 1], corners[b, 1], corners[c, 1]
            wa = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) * corners[a, 2]
            wb = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) * corners[b, 2]
            wc = ((bx - ax) * (py - ay) - (by - ay) * (px - ax)) * corners[c, 2]
            scale = 1.0 / (wa + wb + wc)
            bary[y, x, 0], bary[y, x, 1], bary[y, x, 2] = wa * scale, wb * scale, wc * scale


@numba.njit(cache=True, nogil=True)
def _draw_frames(points, triangles, cull, index, bary):
    corners = np.empty((points.shape[1], 3), np.float64)
    nearest = np.empty(index.shape[1:], np.float64)
    for i in range(points.shape[0]):
        _draw(points[i], triangles, cull, index[i], bary[i], corners, nearest)


@numba.njit(cache=True, nogil=True)
def _blend_frames(attributes, index, bary, triangles, out):
    for i in range(index.shape[0]):
        for y in range(index.shape[1]):
            for x in range(index.shape[2]):
                f = index[i, y, x]
                if f < 0:
                    for c in range(out.shape[3]):
                        out[i, y, x, c] = 0.0
                    continue
                p, q, r = triangles[f, 0], triangles[f, 1], triangles[f, 2]
                wp, wq, wr = bary[i, y, x, 0], bary[i, y, x, 1], bary[i, y, x, 2]
                for c in range(out.shape[3]):
                    out[i, y, x, c] = wp * attributes[i, p, c] + wq * attributes[i, q, c] + wr * attributes[i, r, c]


@numba.njit(cache=True, nogil=True)
def _compose_frames(colors, points, index, bary, triangles, background, back_shade, image, mask):
    """image (B, 3, H, W) and mask (B, 1, H, W): mean over the s x s samples of a pixel, over the background (B, 3, H, W)."""
    s = index.shape[1] // image.shape[2]
    for i in range(image.shape[0]):
        for y in range(image.shape[2]):
            for x in range(image.shape[3]):
                red, green, blue, covered = 0.0, 0.0, 0.0, 0
                for v in range(y * s, y * s + s):
                    for u in range(x * s, x * s + s):
                        f = index[i, v, u]
                        if f < 0:
                            continue
                        covered += 1
                        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
                        wa, wb, wc = bary[i, v, u, 0], bary[i, v, u, 1], bary[i, v, u, 2]
                        area = (points[i, b, 0] - points[i, a, 0]) * (points[i, c, 1] - points[i, a, 1])
                        area -= (points[i, b, 1] - points[i, a, 1]) * (points[i, c, 0] - points[i, a, 0])
                        tone = back_shade if area > 0.0 else 1.0
                        red += tone * min(max(wa * colors[i, a, 0] + wb * colors[i, b, 0] + wc * colors[i, c, 0], 0.0), 1.0)
                        green += tone * min(max(wa * colors[i, a, 1] + wb * colors[i, b, 1] + wc * colors[i, c, 1], 0.0), 1.0)
                        blue += tone * min(max(wa * colors[i, a, 2] + wb * colors[i, b, 2] + wc * colors[i, c, 2], 0.0), 1.0)
                share, rest = 1.0 / (s * s), 1.0 - covered / (s * s)
                mask[i, 0, y, x] = covered * share
                image[i, 0, y, x] = red * share + rest * background[i, 0, y, x]
                image[i, 1, y, x] = green * share + rest * background[i, 1, y, x]
                image[i, 2, y, x] = blue * share + rest * background[i, 2, y, x]


@numba.njit(cache=True, nogil=True)
def _normal_frames(verts, triangles, out):
    out[:] = 0.0
    for i in range(verts.shape[0]):
        for f in range(triangles.shape[0]):
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            ux, uy, uz = verts[i, b, 0] - verts[i, a, 0], verts[i, b, 1] - verts[i, a, 1], verts[i, b, 2] - verts[i, a, 2]
            vx, vy, vz = verts[i, c, 0] - verts[i, a, 0], verts[i, c, 1] - verts[i, a, 1], verts[i, c, 2] - verts[i, a, 2]
            nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            for k in (a, b, c):
                out[i, k, 0] += nx
                out[i, k, 1] += ny
                out[i, k, 2] += nz
        for k in range(verts.shape[1]):
            size = np.sqrt(out[i, k, 0] ** 2 + out[i, k, 1] ** 2 + out[i, k, 2] ** 2)
            if size > 1e-12:
                for c in range(3):
                    out[i, k, c] /= size


def _threads(threads: int | None) -> int:
    """Number of threads to use: the argument, else torch's setting (which follows OMP_NUM_THREADS and is 1 in loader workers)."""
    return threads or torch.get_num_threads()


def _in_threads(kernel, n_frames: int, threads: int | None, *arrays_and_constants) -> None:
    """Call kernel on slices of frames: arrays whose first axis has length n_frames and that are marked by a tuple are sliced."""
    parts = min(_threads(threads), n_frames)
    edges = [n_frames * k // parts for k in range(parts + 1)]
    slices = [slice(lo, hi) for lo, hi in zip(edges[:-1], edges[1:], strict=True)]
    jobs = [[a[0][s] if isinstance(a, tuple) else a for a in arrays_and_constants] for s in slices]
    if parts == 1:
        kernel(*jobs[0])
        return
    with ThreadPoolExecutor(parts) as pool:
        list(pool.map(lambda job: kernel(*job), jobs))


def rasterize_batch(
    xy_depth: np.ndarray, triangles: np.ndarray, height: int, width: int, cull: bool = False, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rasterise many frames of one mesh, frames spread over threads.

    Args:
        xy_depth: (B, V, 3) screen points: u, v in pixels and the depth z' > 0 (`camera.screen`).
        triangles: (F, 3) integer vertex indices. cull: leave out triangles seen from behind.
        threads: how many; by default `torch.get_num_threads()`.

    Returns:
        index (B, H, W) int32, the triangle in front, -1 where there is none; bary (B, H, W, 3) float32, its perspective-correct
        weights, 0 where there is none. Triangles with a corner behind the near plane (0.1) or NaN are not drawn.
    """
    check_shape("xy_depth", xy_depth, (None, None, 3))
    check_shape("triangles", triangles, (None, 3))
    points, faces = np.ascontiguousarray(xy_depth, np.float32), np.ascontiguousarray(triangles, np.int64)
    if faces.size and (faces.min() < 0 or faces.max() >= points.shape[1]):
        raise ValueError(f"triangles: indices must lie in 0..{points.shape[1] - 1}, got {faces.min()}..{faces.max()}")
    index = np.empty((len(points), height, width), np.int32)
    bary = np.empty((len(points), height, width, 3), np.float32)
    if len(points):
        _in_threads(_draw_frames, len(points), threads, (points,), faces, cull, (index,), (bary,))
    return index, bary


def rasterize(xy_depth: np.ndarray, triangles: np.ndarray, height: int, width: int, cull: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """One frame of `rasterize_batch`: (V, 3) -> index (H, W) int32 and bary (H, W, 3) float32."""
    check_shape("xy_depth", xy_depth, (None, 3))
    index, bary = rasterize_batch(xy_depth[None], triangles, height, width, cull, threads=1)
    return index[0], bary[0]


def interpolate_batch(
    attributes: np.ndarray, index: np.ndarray, bary: np.ndarray, triangles: np.ndarray, threads: int | None = None
) -> np.ndarray:
    """Spread vertex attributes (B, V, C) over the pixels of `rasterize_batch`: (B, H, W, C) float32, 0 where nothing is drawn."""
    check_shape("attributes", attributes, (len(index), None, None))
    check_shape("bary", bary, (*index.shape, 3))
    values, faces = np.ascontiguousarray(attributes, np.float32), np.ascontiguousarray(triangles, np.int64)
    out = np.empty((*index.shape, values.shape[2]), np.float32)
    if len(values):
        _in_threads(_blend_frames, len(values), threads, (values,), (index,), (bary,), faces, (out,))
    return out


def interpolate(attributes: np.ndarray, index: np.ndarray, bary: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """One frame of `interpolate_batch`: attributes (V, C), index (H, W), bary (H, W, 3) -> (H, W, C) float32."""
    check_shape("attributes", attributes, (None, None))
    return interpolate_batch(attributes[None], index[None], bary[None], triangles, threads=1)[0]


def compose_batch(
    colors: np.ndarray,
    points: np.ndarray,
    index: np.ndarray,
    bary: np.ndarray,
    triangles: np.ndarray,
    background: np.ndarray,
    back_shade: float = 1.0,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures from vertex colours and a rasterisation s times as fine, each pixel the mean of its s x s samples.

    Args:
        colors: (B, V, 3) RGB, clamped to [0, 1] per sample. points: (B, V, 3) the screen points that were rasterised.
        index, bary: of `rasterize_batch` at (B, s H, s W). background: (B, 3, H, W) RGB behind the mesh.
        back_shade: factor on triangles seen from behind (the inside of a head is dark).

    Returns:
        image (B, 3, H, W) float32 and mask (B, 1, H, W) float32, the share of each pixel that the mesh covers.
    """
    check_shape("colors", colors, (len(index), None, 3))
    check_shape("points", points, colors.shape)
    check_shape("bary", bary, (*index.shape, 3))
    check_shape("background", background, (len(index), 3, None, None))
    height, width = background.shape[2:]
    s = index.shape[1] // height
    if index.shape[1:] != (s * height, s * width):
        raise ValueError(f"index: {index.shape[1:]} is no whole multiple of the background's {(height, width)}")
    behind = background.astype(np.float32, copy=False)  # a broadcast view may stay one
    image, mask = np.empty((len(index), 3, height, width), np.float32), np.empty((len(index), 1, height, width), np.float32)
    if len(index):
        per_frame = ((np.ascontiguousarray(colors, np.float32),), (np.ascontiguousarray(points, np.float32),), (index,), (bary,))
        faces = np.ascontiguousarray(triangles, np.int64)
        _in_threads(_compose_frames, len(index), threads, *per_frame, faces, (behind,), back_shade, (image,), (mask,))
    return image, mask


def vertex_normals_batch(verts: np.ndarray, triangles: np.ndarray, threads: int | None = None) -> np.ndarray:
    """`illumination.vertex_normals` without gradients, for bulk rendering: (B, V, 3) float32 -> (B, V, 3) float32."""
    check_shape("verts", verts, (None, None, 3))
    points, faces = np.ascontiguousarray(verts, np.float32), np.ascontiguousarray(triangles, np.int64)
    out = np.empty_like(points)
    if len(points):
        _in_threads(_normal_frames, len(points), threads, (points,), faces, (out,))
    return out


def rasterize_pytorch3d(
    xy_depth: np.ndarray, triangles: np.ndarray, height: int, width: int, cull: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The same answer as `rasterize`, by PyTorch3D: the reference that the tests and the benchmark compare with."""
    from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
    from pytorch3d.structures import Meshes

    from paperlib.face3d.camera import screen_to_pytorch3d_ndc

    points = screen_to_pytorch3d_ndc(torch.as_tensor(np.asarray(xy_depth, np.float32)), height, width)
    mesh = Meshes([points], [torch.as_tensor(np.asarray(triangles, np.int64))])
    index, _, bary, _ = rasterize_meshes(
        mesh, (height, width), blur_radius=0.0, faces_per_pixel=1, perspective_correct=True, cull_backfaces=cull
    )
    index, bary = index[0, ..., 0].numpy().astype(np.int32), bary[0, ..., 0, :].numpy()
    return index, np.where(index[..., None] >= 0, bary, 0).astype(np.float32)
