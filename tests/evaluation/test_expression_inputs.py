"""Wrong inputs are wrong in the way their name says; attention is read at the right frames."""

import numpy as np
import torch

from paperlib.config import load_profile
from paperlib.corpus.banks import SpeechItem
from paperlib.corpus.synthetic import ClipId
from paperlib.evaluation import expression_inputs as inputs
from paperlib.evaluation.expression_inputs import Heard
from paperlib.models.expression import ExpressionNet


def counted(frames, start=0, images=True):
    """Features whose every value is the number of their frame."""
    t = torch.arange(start, start + frames)
    return Heard(
        t.float()[:, None, None].expand(-1, 13, 28), t.to(torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4) if images else None
    )


def item(frames=20):
    wave = np.random.default_rng(0).normal(size=frames * 640).astype(np.float32) * 0.1
    return SpeechItem(ClipId("test", 1, 0, 0), torch.zeros(frames, 13, 28), torch.zeros(frames, 80, 16), torch.zeros(frames, 257), wave)


def heard_frames(h):
    return h.mfcc[:, 0, 0].int().tolist()


def test_wrong_speech_changes_sound_and_images_alike():
    rows = inputs.wrong_speech(item(), counted(20), counted(12, 100), counted(20, 50))
    assert set(rows) == set(inputs.WRONG_ROWS)
    for h in rows.values():
        assert h.images[:, 0, 0, 0].tolist() == heard_frames(h) and len(h.mfcc) == 20
    assert heard_frames(rows["shifted_p3"])[:6] == [0, 0, 0, 0, 1, 2]
    assert heard_frames(rows["shifted_m2"])[-4:] == [18, 19, 19, 19]
    assert heard_frames(rows["swapped_speech"]) == [*range(100, 112), *[111] * 8]
    order = heard_frames(rows["shuffled_speech"])
    assert sorted(order) == list(range(20)) and order != list(range(20))
    assert heard_frames(rows["silent_speech"]) == list(range(50, 70))


def test_one_input_leaves_the_other():
    face = torch.full((3, 4, 4), 200, dtype=torch.uint8)
    rows = inputs.one_input(item(), counted(20), counted(20, 100), counted(20, 50), face)
    assert set(rows) == set(inputs.INPUT_ROWS)
    own = list(range(20))
    for name, h in rows.items():
        changed, kept = (heard_frames(h), h.images[:, 0, 0, 0].tolist())[:: 1 if name.startswith("audio") else -1]
        assert kept == own and changed != own
    assert rows["images_still"].images.unique().tolist() == [200]
    assert inputs.one_input(item(), counted(20, images=False), counted(20), counted(20), face) == {}


def test_silence_is_the_same_whatever_was_said():
    a, b = item(), item()
    b.wave = b.wave[::-1].copy()
    assert torch.equal(inputs.silent(a).mfcc, inputs.silent(b).mfcc) and inputs.silent(a).mel.std() == 0


def test_attention_is_read_at_the_middle_of_each_sound():
    cfg = load_profile("smoke").expression
    net = ExpressionNet(cfg, 32)
    net.attend.w_q.weight.data.zero_()  # nobody asks, so every frame weighs the same
    sounds = [("p", 0.0, 0.04), ("a", 0.2, 0.4), ("ɑː", 0.4, 0.5), ("s", 0.5, 0.6), ("b", 0.6, 0.64)]  # the first is at the edge
    shown = torch.zeros(20, 3, 32, 32, dtype=torch.uint8)
    found = inputs.attention_by_sound(
        net, [item()], [shown], lambda i: sounds, {"plosive": inputs.PLOSIVES, "vowel": inputs.VOWELS, "x": "x"}
    )
    width = 2 * cfg.k + 1
    assert {k: v.shape for k, v in found.items()} == {"plosive": (1, width), "vowel": (2, width), "x": (0, width)}
    assert np.allclose(found["vowel"], 1 / width)
