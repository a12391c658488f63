import numpy as np
import torch
from toy import toy_coeffs, toy_model

from paperlib.face3d import camera, fitting_landmarks
from paperlib.face3d.coefficients import ANGLES, EXP, TRANS


def test_jacobians_match_autograd():
    model = toy_model()
    coeffs = toy_coeffs(2).double()
    rows = fitting_landmarks._landmark_rows(model)
    frames = torch.cat([coeffs[:, EXP], coeffs[:, ANGLES], coeffs[:, TRANS]], 1)
    shared = torch.randn(284, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    seen, by_frame, by_shared = fitting_landmarks._linearize(rows, shared[None].numpy(), frames.numpy(), 96)

    def project(i, f):
        shape = torch.from_numpy(rows.mean) + torch.from_numpy(rows.shared) @ i + torch.from_numpy(rows.exp) @ f[:64]
        return camera.project(camera.pose(shape[None], f[None, 64:67], f[None, 67:]), 96)[0]

    for t in range(2):
        np.testing.assert_allclose(seen[t], project(shared, frames[t]).numpy(), atol=1e-9)
        d_shared, d_frame = torch.autograd.functional.jacobian(project, (shared, frames[t]))
        np.testing.assert_allclose(by_shared[t], d_shared.numpy(), atol=1e-8)
        np.testing.assert_allclose(by_frame[t], d_frame.numpy(), atol=1e-8)
