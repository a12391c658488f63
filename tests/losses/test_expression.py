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
