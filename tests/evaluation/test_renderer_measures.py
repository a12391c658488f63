"""Head motion, flicker, failures, leakage and the four factors, each on pictures or numbers whose answer is known."""

import made_clips
import numpy as np
import pytest
import torch

from paperlib.config import load_profile
from paperlib.corpus.banks import render_item, to_float
from paperlib.evaluation import renderer_factors, renderer_failures, renderer_flicker, renderer_leakage, renderer_motion, renderer_run
from paperlib.evaluation.renderer import run_renderer, with_expressions
from paperlib.face3d.coefficients import ANGLES, EXP, TRANS, with_exp
from paperlib.models.renderer import Renderer
from paperlib.paper import FACTOR_CELLS, row_id
from paperlib.results import select

COMMON = {"data": "d", "motion": "rule"}


@pytest.fixture(scope="module")
def net():
    """A smoke-size renderer as it starts: of no use but to be called."""
    torch.manual_seed(0)
    return Renderer(load_profile("smoke").renderer).eval()


@pytest.fixture(scope="module")
def dub():
    """The cross-dub of two twins made on the spot; the predicted expressions are the true ones at half size."""
    source, target = made_clips.clip(0, 0, frames=30), made_clips.clip(0, 1, frames=30)
    exp = {"true": torch.from_numpy(target.coeffs[:, EXP]), "predicted": 0.5 * torch.from_numpy(target.coeffs[:, EXP])}
    c = torch.from_numpy(source.coeffs)
    items = {b: with_expressions(source, e) for b, e in exp.items()}
    return renderer_run.CrossDub(source, target, items, {b: with_exp(c, e) for b, e in exp.items()})


def test_paint_equals_the_scored_renderer_and_keeps_what_is_around(net, dub):
    refs = renderer_run.random_references(30)
    ours = dub.paint(net, "true", refs)
    theirs = run_renderer(net, dub.items["true"])
    torch.testing.assert_close(ours["full"], theirs["full"], atol=1e-4, rtol=0)
    torch.testing.assert_close(ours["warp_only"], theirs["warp_only"], atol=1e-4, rtol=0)
    source = to_float(torch.from_numpy(dub.source.frames))
    assert torch.equal((ours["full"] * (1 - dub.mask)), source * (1 - dub.mask))
    assert all(abs(r - t) >= 25 or r in (0, 29) for t, r in enumerate(refs))


def test_nothing_inside_the_hole_is_read(net, dub):
    item = dub.items["true"]
    refs = item.frames[:1].expand(30, -1, -1, -1)
    changed = torch.where(item.masks[..., None], 255 - item.frames, item.frames)
    a, b = (renderer_run.paint(net, item.i3d, refs, frames, item.masks)["full"] for frames in (item.frames, changed))
    assert torch.equal(a, b)


def test_head_speed_and_turn_have_their_units():
    c = torch.zeros(5, 257)
    c[:, TRANS] = torch.arange(5.0)[:, None] * torch.tensor([0.01, 0.0, 0.0])  # 1 mm a frame, 25 frames a second
    torch.testing.assert_close(renderer_run.head_speed(c), torch.full((5,), 25.0), rtol=1e-3, atol=0)
    other = c.clone()
    other[:, ANGLES] = torch.tensor([0.0, 0.1, 0.0])
    torch.testing.assert_close(renderer_run.turn_between(c, other).float(), torch.full((5,), float(np.rad2deg(0.1))), rtol=1e-4, atol=0)


def test_flicker_of_noise_is_what_arithmetic_says():
    noise = torch.randn(40, 3, 48, 48, generator=torch.Generator().manual_seed(0)) * 3 / 255 + 0.5
    still, everywhere = torch.zeros(39, 2, 48, 48), torch.ones(39, 1, 48, 48)
    mask = torch.ones(40, 1, 48, 48)
    mask[:, :, :, :24] = 0
    found = renderer_flicker.unexplained_change(noise, still, everywhere, mask)
    assert found.mean() == pytest.approx(2 * 3 / np.sqrt(np.pi), rel=0.02)  # E|a - b| of two normals of sd 3
    outside = torch.where(mask > 0, torch.full_like(noise, 0.5), noise)
    assert renderer_flicker.unexplained_change(outside, still, everywhere, mask).max() < 1e-3
    assert np.isnan(renderer_flicker.unexplained_change(noise, still, everywhere, torch.zeros_like(mask))).all()


def test_true_motion_is_no_flicker_and_noise_is(dub):
    coeffs, truth, mask = torch.from_numpy(dub.target.coeffs), dub.truth, dub.mask
    flow, valid = renderer_flicker.motion_flow(coeffs, truth.shape[-1])
    with_flow = np.nanmean(renderer_flicker.unexplained_change(truth, flow, valid, mask))
    without = np.nanmean(renderer_flicker.unexplained_change(truth, torch.zeros_like(flow), valid, mask))
    assert with_flow < 0.7 * without
    pictures = {"truth": truth, "noisy": renderer_flicker.noisy(truth), "late": renderer_flicker.delayed(truth)}
    shows = {"truth": "own", "noisy": "own", "late": "late"}
    motions = {"own": coeffs, "late": renderer_flicker.delayed(coeffs)}
    value = renderer_flicker.clip_flicker(pictures, shows, motions, "truth", mask)
    assert value["truth"] == 0 and value["noisy"] > 0.2 and abs(value["late"]) < value["noisy"]


def test_one_pass_over_a_clip_gives_lines_flicker_and_a_gallery(net, dub, tmp_path):
    lines, flicker, pictures = renderer_motion.one_clip(dub, net)
    assert len(lines) == 30 and flicker["truth", "none"] == 0 and flicker["truth_noisy", "none"] > 0
    assert set(renderer_motion.COVARIATES) <= set(lines[0]) and {"error_true", "error_predicted", "error_frozen"} <= set(lines[0])
    own = torch.from_numpy(dub.target.coeffs)[:, EXP]
    gap = renderer_motion.lip_opening_mm(own) - renderer_motion.lip_opening_mm(0.5 * own)
    assert [line["opening_gap"] for line in lines] == pytest.approx(np.abs(gap), abs=1e-3) and max(gap) > 1
    assert lines[0]["error_true"] == pytest.approx(
        float(((pictures["full", "true"] - dub.truth).abs() * dub.mask)[0].sum() / (3 * dub.mask[0].sum()) * 255), abs=1e-3
    )
    gallery = renderer_failures.Gallery()
    gallery.see(dub, pictures, lines)
    header = {k: "" for k in ("command", "commit", "profile", "corpus", "device")} | {"seed": 0, "seconds": 0.0}
    gallery.write(lines, header, COMMON, tmp_path)
    worst = max(lines, key=lambda line: line["error_predicted"])
    with np.load(tmp_path / "figure8_frames.npz") as kept:
        assert (kept["truth"][0] == dub.target.frames[worst["frame"]]).all()
        assert (kept["reference"][0] == dub.source.frames[worst["reference"]]).all()
    rows = renderer_motion.error_rows(lines, COMMON) + renderer_motion.flicker_rows([flicker], [0], COMMON)
    for r in rows:
        row_id(r.table, r.row)


def frame_lines(n=60, seed=0):
    """Lines of three clips whose error is head speed plus noise, and has nothing to do with yaw."""
    rng = np.random.default_rng(seed)
    lines = []
    for clip in range(3):
        speed = rng.gamma(2, 20, n)
        for t in range(n):
            line = {"clip": f"c{clip}", "speaker": clip, "frame": t, "reference": 0, "speed": speed[t], "yaw": rng.uniform(0, 20)}
            line |= {k: rng.uniform() for k in ("turn", "lip_speed", "opening", "opening_gap")}
            lines.append(
                line | {"error_true": 5 * clip + 0.1 * speed[t], "error_predicted": 5 * clip + 0.1 * speed[t], "error_frozen": 3.0}
            )
    return lines


def test_correlations_are_taken_inside_clips():
    rows = renderer_motion.error_rows(frame_lines(), COMMON)
    (speed,) = select(rows, row="full", beta="true", metric="spearman_speed")
    (yaw,) = select(rows, row="full", beta="true", metric="spearman_yaw")
    assert speed.value > 0.98 and abs(yaw.value) < 0.2
    (still,) = select(rows, row="frozen_mouth", metric="spearman_speed")
    assert still.value is None and "constant" in still.protocol  # an error that never changes has no correlation
    bins = [select(rows, row="full", beta="true", metric=f"error_speed_{k}")[0].value for k in range(3)]
    assert bins == sorted(bins) and bins[2] > bins[0] + 2


def test_failures_are_the_worst_frames_and_their_reason_is_what_stands_out():
    lines = frame_lines()
    worst = renderer_failures.worst_frames(lines, 2)
    assert [w["clip"] for w in worst] == ["c2", "c1"]  # one a clip, the worst clip first
    assert worst[0]["frame"] == max((x for x in lines if x["clip"] == "c2"), key=lambda x: x["error_predicted"])["frame"]
    plain = [line | {k: 1.0 for k in renderer_failures.REASONS} for line in lines]
    (nothing,) = renderer_failures.worst_frames(plain, 1)
    assert nothing["reasons"] == {} and "nothing measured" in renderer_failures.caption(nothing)
    plain[nothing["frame"] + 60 * 2]["yaw"] = 50.0
    (turned,) = renderer_failures.worst_frames(plain, 1)
    assert list(turned["reasons"]) == ["yaw"] and "turned away (100% of frames below)" in renderer_failures.caption(turned)


def test_shares_are_projections_and_pool_by_contrast():
    truth, other = np.zeros(3), np.array([0.2, 0.0, 0.0])
    assert renderer_leakage.share_terms(np.array([0.05, 0.3, 0.0]), truth, other) == (pytest.approx(0.01), pytest.approx(0.04))
    pooled = renderer_leakage.pooled_share(np.array([0.01, 0.3]), np.array([0.04, 1.0]), np.array([0, 1]))
    assert pooled.value == pytest.approx(0.31 / 1.04) and pooled.low == pytest.approx(0.25) and pooled.high == pytest.approx(0.3)


def test_leakage_of_pictures_whose_answer_is_known(dub, net, monkeypatch):
    """Pasting the stranger is all of it, half a mixture half of the colour, the truth none."""
    monkeypatch.setattr(renderer_leakage.identity, "descriptors", lambda frames, lmk, keep=None: frames.mean((1, 2)))  # quick
    other = made_clips.clip(3, 0, frames=30)
    pictures = renderer_leakage.dubs_of(dub, other, net)
    pictures["full"] = 0.5 * (pictures["truth"] + pictures["stranger_pasted"])
    leak = renderer_leakage.measure_clip(dub, other, pictures)
    top, bottom = leak.terms["colour_share", "crop"]["full"]
    assert top / bottom == pytest.approx(0.5, abs=1e-6)
    assert leak.values["csim", "frame"]["truth"] == pytest.approx(1) and leak.values["distance", "crop"]["truth"] == 0
    like = leak.values["csim_stranger", "frame"]
    assert leak.values["csim_stranger_gain", "frame"]["stranger_pasted"] == like["stranger_pasted"] - like["truth"]
    assert not torch.equal(pictures["stranger_reference"], renderer_leakage.dubs_of(dub, dub.source, net)["stranger_reference"])
    quarter = dict(pictures, full=pictures["truth"])
    quarter["stranger_reference"] = quarter["full"] + 0.25 * (pictures["stranger_warp"] - pictures["warp_only"])
    top, bottom = renderer_leakage.measure_clip(dub, other, quarter).terms["warp_share", "crop"]["stranger_reference"]
    assert top / bottom == pytest.approx(0.25, abs=1e-4)
    rows = renderer_leakage.rows_of([leak, leak], COMMON)
    for r in rows:
        row_id(r.table, r.row)
    assert select(rows, row="full", metric="colour_share")[0].value == pytest.approx(0.5, abs=1e-6)


def test_factor_effects_of_scores_that_add_up():
    worth = {"true": 1.0, "outline": 0.5, "same": 0.25, "yes": 0.125}
    scores = []
    for speaker in range(4):
        cells = {name: speaker + sum(worth.get(level, 0.0) for level in levels) for name, levels in FACTOR_CELLS.items()}
        scores.append({name: dict.fromkeys(renderer_factors.METRICS, value) for name, value in cells.items()})
    rows = renderer_factors.factor_rows(scores, [0, 1, 2, 3], COMMON)
    for r in rows:
        row_id(r.table, r.row)
    of = {r.row: r for r in rows if (r.metric, r.region) == ("psnr", "crop")}
    for factor, level in (("beta", "true"), ("mask", "outline"), ("references", "same"), ("adapt", "yes")):
        assert of[f"effect_{factor}"].value == pytest.approx(worth[level]) and of[f"effect_{factor}"].low == pytest.approx(worth[level])
    assert of["effect_all"].value == pytest.approx(1.875)
    assert of["predicted_pose_other_no"].value == 1.5 and of["predicted_pose_other_no"].beta == "predicted"


def test_levels_of_the_factors_differ_where_they_should(net):
    clip, other = made_clips.clip(0, 0, frames=60), made_clips.clip(0, 2, frames=30, scene=1)
    refs = renderer_factors.same_clip_references(60, torch.Generator().manual_seed(0))
    _, scored = renderer_factors.halves(60)
    assert all(0 <= r < 30 and t - r >= 25 for t, r in zip(scored, refs, strict=True))
    outline, pose = renderer_factors.outline_masks(clip), render_item(clip).masks
    opening = clip.lmk[:, 66, 1] - clip.lmk[:, 62, 1]
    areas = (outline.sum((1, 2)).double(), pose.sum((1, 2)).double())
    r_outline, r_pose = (np.corrcoef(opening, a)[0, 1] for a in areas)
    assert r_outline > 0.8 and r_outline > r_pose + 0.3  # the outline tells how open the mouth is
    src = renderer_factors.sources(clip, other, net, torch.zeros(60, 64), steps=3)
    before, after = net.state_dict(), src.nets["yes"].state_dict()
    assert any(not torch.equal(before[k], after[k]) for k in before) and src.nets["no"] is net
    cells = renderer_factors.score_cells(src)
    assert set(cells) == set(FACTOR_CELLS) and len({round(c["psnr", "crop"], 9) for c in cells.values()}) == 16


def test_adaptation_sees_the_first_half_alone(net):
    clip = made_clips.clip(0, 0, frames=30)
    item = render_item(clip)
    seen, _ = renderer_factors.halves(30)
    changed = render_item(clip)
    changed.frames[15:] = 0
    a, b = (renderer_factors.adapt(net, i, seen, steps=2).state_dict() for i in (item, changed))
    assert all(torch.equal(a[k], b[k]) for k in a)
