import pytest
import torch

from paperlib.losses.expression import expression_loss, shape_loss, total_expression_loss


def test_expression_loss_by_hand():
    pred, target = torch.zeros(2, 3, 64), torch.zeros(2, 3, 64)
    pred[0, 0, :2] = torch.tensor([1.0, -2.0])
    pred[1, 2, 5] = 0.5
    assert expression_loss(pred, target).item() == pytest.approx(3.5 / 6)  # per frame
    assert expression_loss(pred, target, reduction="sum").item() == pytest.approx(3.5 / 2)  # (11): summed over t, mean over clips


def test_frames_after_a_clips_length_do_not_count_even_when_they_are_nan():
    pred, target = torch.ones(2, 4, 64), torch.zeros(2, 4, 64)
    lengths = torch.tensor([4, 2])
    pred[1, 2:] = float("nan")
    assert expression_loss(pred, target, lengths).item() == pytest.approx(64.0)
    assert expression_loss(pred, target, lengths, "sum").item() == pytest.approx(64 * 6 / 2)


def test_shape_loss_is_in_image_widths():
    lmk = torch.rand(1, 2, 68, 2, dtype=torch.float64)
    moved = lmk.clone()
    moved[0, 0, 10] += torch.tensor([0.25, -0.5])
    assert shape_loss(moved, lmk).item() == pytest.approx(0.75 / 2)
    assert shape_loss(moved * 192, lmk * 192, width=192).item() == pytest.approx(0.75 / 2)


def test_total_keeps_the_printed_balance_for_any_reduction():
    generator = torch.Generator().manual_seed(0)
    pred, target = torch.randn(2, 5, 64, generator=generator), torch.randn(2, 5, 64, generator=generator)
    a, b = torch.rand(2, 5, 68, 2, generator=generator), torch.rand(2, 5, 68, 2, generator=generator)
    mean = total_expression_loss(expression_loss(pred, target), shape_loss(a, b))
    printed = total_expression_loss(expression_loss(pred, target, reduction="sum"), shape_loss(a, b, reduction="sum"))
    assert printed.item() == pytest.approx(5 * mean.item(), rel=1e-5)
    assert total_expression_loss(torch.tensor(2.0), torch.tensor(3.0)).item() == 3.5


def test_gradients():
    pred = torch.randn(1, 2, 64, dtype=torch.float64, requires_grad=True)
    target = torch.randn(1, 2, 64, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: expression_loss(p, target), pred)


def test_bad_shapes_and_reductions_raise():
    with pytest.raises(ValueError, match="target"):
        expression_loss(torch.zeros(1, 2, 64), torch.zeros(1, 3, 64))
    with pytest.raises(ValueError, match="lmk_pred"):
        shape_loss(torch.zeros(1, 2, 68, 3), torch.zeros(1, 2, 68, 3))
    with pytest.raises(ValueError, match="reduction"):
        expression_loss(torch.zeros(1, 2, 64), torch.zeros(1, 2, 64), reduction="median")


def test_equations_11_to_13_by_loops():
    """Sums over frames, coefficients and coordinates written out, clips of two lengths, both reductions."""
    g = torch.Generator().manual_seed(1)
    beta, beta_star = torch.randn(2, 2, 4, 64, generator=g, dtype=torch.float64)
    l, l_star = torch.rand(2, 2, 4, 68, 2, generator=g, dtype=torch.float64)
    lengths = [4, 3]
    l_exp = sum(abs(float(beta[b, t, i] - beta_star[b, t, i])) for b in range(2) for t in range(lengths[b]) for i in range(64))
    moved = (l - l_star).abs()
    l_shape = sum(float(moved[b, t, n, axis]) for b in range(2) for t in range(lengths[b]) for n in range(68) for axis in range(2))
    for reduction, over in (("sum", 2), ("mean", sum(lengths))):  # per clip; per frame
        n = torch.tensor(lengths)
        exp, shape = expression_loss(beta_star, beta, n, reduction), shape_loss(l_star, l, n, reduction)
        assert exp.item() == pytest.approx(l_exp / over, rel=1e-12)
        assert shape.item() == pytest.approx(l_shape / over, rel=1e-12)
        assert total_expression_loss(exp, shape).item() == pytest.approx((l_exp + 0.5 * l_shape) / over, rel=1e-12)


def test_gradients_of_12_and_13_through_the_projection():
    """From predicted coefficients, with the true identity and pose, through face and camera to (12), and to the total (13)."""
    from toy import toy_model

    from paperlib.face3d.coefficients import EXP, N_COEFF
    from paperlib.face3d.face_renderer import landmarks2d

    model = toy_model()
    for name in ("mean_shape", "id_basis", "exp_basis"):
        setattr(model, name, getattr(model, name).double())
    g = torch.Generator().manual_seed(2)
    true = torch.randn(1, N_COEFF, generator=g, dtype=torch.float64) * 0.1
    lmk = landmarks2d(model, true, 96)[None]
    pred = torch.randn(1, 64, generator=g, dtype=torch.float64)

    def loss(exp):
        coeffs = torch.cat([true[:, : EXP.start], exp, true[:, EXP.stop :]], 1)
        l_exp = expression_loss(exp[None], true[None, :, EXP])
        l_shape = shape_loss(landmarks2d(model, coeffs, 96)[None], lmk, width=96)
        return l_shape, total_expression_loss(l_exp, l_shape)

    assert loss(true[:, EXP])[0].item() == pytest.approx(0, abs=1e-12) and loss(pred)[0].item() > 0
    assert torch.autograd.gradcheck(loss, pred.requires_grad_())
