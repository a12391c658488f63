import pytest
import torch

from paperlib.face3d import coefficients as co


def test_groups_tile_the_vector_without_gap_or_overlap():
    slices = (co.ID, co.EXP, co.TEX, co.ANGLES, co.SH, co.TRANS)
    assert [s.start for s in slices] == [0, 80, 144, 224, 227, 254]
    assert slices[-1].stop == co.N_COEFF == 80 + 64 + 80 + 27 + 6
    assert all(a.stop == b.start for a, b in zip(slices, slices[1:], strict=False))


def test_join_inverts_split():
    x = torch.randn(2, 3, 257)
    assert torch.equal(co.join(*co.split(x)), x)


def test_join_broadcasts_a_shared_identity():
    x = torch.randn(5, 257)
    parts = co.split(x)
    joined = co.join(parts.id_coeff[:1], *parts[1:])
    assert torch.equal(joined[3, co.ID], x[0, co.ID]) and torch.equal(joined[3, co.EXP], x[3, co.EXP])


def test_with_exp_changes_a_copy_and_only_the_expression():
    x = torch.randn(4, 257)
    y = co.with_exp(x, 0.0)
    assert (y[:, co.EXP] == 0).all()
    keep = torch.ones(257, dtype=torch.bool)
    keep[co.EXP] = False
    assert torch.equal(x[:, keep], y[:, keep]) and (x[:, co.EXP] != 0).any()
    assert torch.equal(co.with_exp(x, x[:, co.EXP]), x)


def test_wrong_lengths_raise():
    with pytest.raises(ValueError, match="257"):
        co.split(torch.zeros(2, 256))
    with pytest.raises(ValueError, match="exp_coeff"):
        co.join(*(torch.zeros(1, n) for n in (80, 63, 80, 3, 27, 3)))
