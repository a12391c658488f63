import pytest
import torch

from paperlib.baselines.references import steady_references
from paperlib.config import FPS
from paperlib.corpus.banks import reference_index


@pytest.mark.parametrize(("n", "most"), [(100, 2), (60, 2), (51, 2), (30, 2), (25, 2), (12, 2), (2, 2)])
def test_few_pictures_and_the_rule_of_one_second_kept(n, most):
    generator = torch.Generator().manual_seed(n)
    index = torch.tensor([[reference_index(t, n, generator) for _ in range(3)] for t in range(n)])
    chosen, t = steady_references(index), torch.arange(n)
    assert chosen.shape == (n,) and torch.isin(chosen, index).all()
    assert len(chosen.unique()) <= most
    drawn = (index[:, 0] - t).abs()
    assert ((chosen - t).abs() >= torch.minimum(drawn, torch.tensor(FPS))).all()  # never nearer than a second, unless the draw is


def test_wrong_shape():
    with pytest.raises(ValueError, match="ref_index"):
        steady_references(torch.zeros(5))
