"""The parts that both warping systems use."""

import pytest
import torch

from paperlib.baselines.warping_parts import AdaIN, MelCode, enlarge, windows


def test_mel_code_reads_one_window_at_a_time_and_its_loudness():
    torch.manual_seed(0)
    net, mel = MelCode(4, 7), torch.rand(2, 3, 80, 16) * 8 - 4
    out = net(mel)
    assert out.shape == (2, 3, 7)
    torch.testing.assert_close(net(mel[1, 2]), out[1, 2])
    assert (net(mel + 0.5) - out).abs().amax() > 1e-3
    with pytest.raises(ValueError, match="mel"):
        net(torch.zeros(2, 16, 80))


def test_adain_sets_mean_and_deviation_from_the_code():
    torch.manual_seed(1)
    net, x = AdaIN(2, 3), torch.randn(1, 2, 16, 16) * 4 + 1
    with torch.no_grad():
        net.modulate.weight.zero_()
        net.modulate.weight[:, 0] = torch.tensor([1.0, 0.5, 10.0, -3.0])  # gamma, gamma, beta, beta
    out = net(x, torch.tensor([[1.0, 0.0, 0.0]]))
    torch.testing.assert_close(out.mean((2, 3)), torch.tensor([[10.0, -3.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std((2, 3), correction=0), torch.tensor([[2.0, 1.5]]), atol=1e-3, rtol=0)


def test_windows_are_centred_and_enlarging_keeps_places():
    assert windows(9)[4].tolist() == [2, 3, 4, 5, 6]
    assert windows(9).min() == 0 and windows(9).max() == 8
    ramp = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 1, 4, 4) + 0.5  # x of the pixel centres, in small pixels
    fine = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 8, 8) / 2 + 0.25
    torch.testing.assert_close(enlarge(ramp)[..., 1:-1], fine[..., 1:-1])
