"""Every row's frames: controls with known pictures, our system's inputs, minis behind one interface, missing checkpoints."""

import numpy as np
import pytest
import torch
from made_dubs import FRAMES, Paster

from paperlib.errors import InputError
from paperlib.evaluation import dubbing_controls as controls
from paperlib.evaluation import dubbing_systems as systems
from paperlib.evaluation.dubbing_tasks import CROSS, SELF, SENTENCE
from paperlib.evaluation.renderer_scores import to_uint8
from paperlib.evaluation.shelf import Shelf
from paperlib.paper import row_id
from paperlib.training import checkpoints


@pytest.mark.parametrize("row", list(controls.CONTROLS))
def test_a_control_is_the_size_of_the_clip_and_in_range(row, cross):
    made = controls.CONTROLS[row](cross)
    assert made.shape == (FRAMES, 3, 64, 64) and made.min() >= 0 and made.max() <= 1


def test_controls_are_the_pictures_they_say(cross):
    source, truth, inside = cross.source, cross.truth, cross.source.masks[:, 0] > 0.5
    assert np.array_equal(to_uint8(controls.truth(cross)), truth.frames)
    assert np.array_equal(to_uint8(controls.source_unchanged(cross)), source.frames)
    late = torch.from_numpy(to_uint8(controls.previous_frame(cross)))
    assert torch.equal(late[5][inside[5]], torch.from_numpy(truth.frames)[4][inside[5]])
    assert torch.equal(late[5][~inside[5]], torch.from_numpy(source.frames)[5][~inside[5]])
    pasted, ref = torch.from_numpy(to_uint8(controls.reference_pasted(cross))), cross.given.ref_index[7, 0]
    assert torch.equal(pasted[7][inside[7]], torch.from_numpy(source.frames)[ref][inside[7]])
    assert np.array_equal(to_uint8(controls.frozen_mouth(cross)), source.frozen)


def test_coded_and_resized_truth_lose_a_little(cross):
    truth = cross.truth.frames.astype(float)
    for made in (controls.truth_reencoded(cross), controls.truth_resized(cross)):
        error = np.abs(to_uint8(made) - truth).mean()
        assert 0 < error < 8
    flat = to_uint8(controls.truth_resized(cross))[0].astype(float)
    assert np.abs(np.diff(flat, axis=1)).mean() < np.abs(np.diff(truth[0], axis=1)).mean()  # finer than the truth it is not


def test_what_our_system_hears_in_each_row(cross):
    mfcc, mel = cross.speech.mfcc, cross.speech.mel
    heard = {row: systems.heard_windows(cross, row) for row in (systems.OURS, *systems.SPEECH)}
    assert np.array_equal(heard[systems.OURS][0], mfcc) and np.array_equal(heard[systems.OURS][1], mel)
    late, early = heard["shifted_p5"], heard["shifted_m5"]
    assert np.array_equal(late[0][5:], mfcc[:-5]) and np.array_equal(late[1][5:], mel[:-5]) and np.array_equal(late[0][2], mfcc[0])
    assert np.array_equal(early[0][:-5], mfcc[5:])
    assert np.array_equal(heard["swapped_speech"][0], cross.third.mfcc) and not np.array_equal(cross.third.mfcc, mfcc)
    assert np.ptp(heard["silent_speech"][0], axis=0).max() < 1e-3  # silence is the same in every frame
    assert {k: v[1].shape for k, v in heard.items()} == dict.fromkeys(heard, (FRAMES, 80, 16))


def test_our_dub_paints_inside_the_mask_alone_and_listens(shelf, cross):
    made = systems.open_system(systems.OURS, shelf)(cross)
    inside = (cross.source.masks[:, 0] > 0.5).numpy()
    shown = to_uint8(made)
    assert made.shape == (FRAMES, 3, 64, 64) and np.array_equal(shown[~inside], cross.source.frames[~inside])
    assert np.abs(shown[inside].astype(int) - cross.source.frames[inside]).mean() > 1
    other = systems.open_system("swapped_speech", shelf)(cross)
    assert not torch.equal(made, other) and torch.equal(made, systems.open_system(systems.OURS, shelf)(cross))


def test_a_mini_is_composed_by_the_interface(shelf, minis, cross):
    made = systems.open_system("wav2lip_mini", shelf)(cross)
    ref, mask = cross.given.frames[cross.given.ref_index[:, 0]] * 0.9, cross.source.masks
    torch.testing.assert_close(made, cross.given.frames * (1 - mask) + ref * mask)


def test_rows_say_what_they_are_and_what_is_missing(shelf, tmp_path):
    rows = {e.row: e for e in systems.entries(shelf)}
    for name in rows:
        assert row_id("table1", name) and row_id("controls_dub_grid", name)
    assert list(rows)[:6] == ["ours_mini", "wav2lip_mini", "ip_lap_mini", "diff2lip_mini", "makeittalk_mini", "sadtalker_mini"]
    assert (rows["sadtalker_mini"].contest, rows["wav2lip_mini"].contest, rows["truth"].contest) == ("animation", "dubbing", "")
    assert rows["wav2lip_mini"].missing == "" and rows["wav2lip_mini"].key.startswith("wav2lip_mini_smoke 00000000")
    assert rows["diff2lip_mini"].missing == "no checkpoint diff2lip_mini_smoke: not trained" and rows["diff2lip_mini"].key == ""
    assert systems.taken(rows["truth"], {CROSS, SELF}) == [CROSS] and systems.taken(rows["truth"], {SELF, SENTENCE}) == [SELF]
    assert rows["frozen_mouth"].kinds == (CROSS, SELF, SENTENCE) == rows["ours_mini"].kinds
    assert rows["silent_speech"].kinds == (CROSS, SENTENCE) == rows["source_unchanged"].kinds
    empty = {e.row: e.missing for e in systems.entries(Shelf("smoke", (tmp_path,)))}
    assert empty["ours_mini"] == empty["shifted_m5"] and "renderer_smoke" in empty["ours_mini"] and empty["truth"] == ""


def test_no_other_network_goes_under_a_systems_name(shelf, monkeypatch):
    with pytest.raises(InputError, match="unknown system 'talklip_mini'; choose from: ours_mini"):
        systems.open_system("talklip_mini", shelf)
    with pytest.raises(InputError, match="diff2lip_mini_smoke.json: no such checkpoint"):
        systems.open_system("diff2lip_mini", shelf)

    class Stranger(Paster):
        NAME = "diff2lip"

    for net, said in ((Stranger(), "holds diff2lip, dubbing and not wav2lip"), (torch.nn.Linear(1, 1), "holds Linear and not wav2lip")):
        monkeypatch.setattr(checkpoints, "load", lambda name, folder=None, net=net: (net, {}))
        with pytest.raises(InputError, match=said):
            systems.open_system("wav2lip_mini", shelf)
