"""The page of every clip: its order, what it shows of each, and that names cannot break it."""

import base64
import io
import re

import numpy as np
from PIL import Image

from paperlib.evaluation import dubbing_pages as pages
from paperlib.evaluation.dubbing_frames import keep
from paperlib.evaluation.dubbing_systems import entries
from paperlib.evaluation.dubbing_tasks import CROSS, SENTENCE
from paperlib.evaluation.dubbing_words import explained
from paperlib.evaluation.renderer_failures import error_picture
from paperlib.results import provenance

HEADER = provenance("paperlib evaluate", "smoke", 0, "made <for> a test", 0.0, checkpoints={"ours_mini": "net 1a2b"})
FLAT = {h: np.full((8, 6, 3), 10 * k, np.uint8) for k, h in enumerate(("source A", "truth B", "ours"), 1)}


def case(clip, rank, value, pictures=FLAT, **measures):
    scores = {"ours_mini": {"skill_mouth": value} | measures, "frozen_mouth": {"skill_mouth": 0.0}}
    return pages.Case(clip, "still heads", rank, 2, value, [pages.Strip(7, "because", pictures)], scores)


def pictures_of(text):
    return [np.array(Image.open(io.BytesIO(base64.b64decode(d)))) for d in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)]


def test_every_clip_is_there_once_and_needs_nothing_beside_the_page():
    text = pages.page(
        [case("b with c", 1, -0.25), case("a with c", 2, 0.5, psnr_crop=31.37)], CROSS, HEADER, {"diff2lip_mini": "not trained"}
    )
    assert re.findall(r'data-clip="([^"]+)"', text) == ["b with c", "a with c"] and text.count("<section") == text.count("</section>") == 2
    assert "1 of 2: b with c" in text and "ours -0.250" in text and "Networks" in text and "net 1a2b" in text
    assert not re.findall(r'(?:src|href)="(?!data:)', text) and "http" not in text and "url(" not in text
    assert "Not there</b></dt><dd>Diff2Lip-mini (not trained)" in text and text.count(">not trained</td>") == 2
    assert text.count(explained("psnr_crop")) == 3 and ">31.37</td>" in text  # the second clip's heading, ours, the frozen mouth
    assert "made-up people" in text and "put words into" in text


def test_names_cannot_break_the_page():
    wild = '<script>alert("x")</script> & co'
    text = pages.page([case(wild, 1, None, {wild: FLAT["ours"]})], SENTENCE, HEADER | {"command": wild}, {"ours_mini": wild})
    assert "<script" not in text and 'alert("' not in text and "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; co" in text
    assert "made &lt;for&gt; a test" in text and "ours has no value" in text and "recorded people" in text


def test_pictures_are_the_frames_enlarged_and_say_what_they_are():
    text = pages.frames_table(case("a with b", 1, 0.1, FLAT | {"Wav2Lip-mini": None}))
    assert [int(p.mean().round()) for p in pictures_of(text)] == [10, 20, 30] and pictures_of(text)[0].shape == (8, 6, 3)
    assert text.count("width:12px;height:16px") == 3 and 'alt="ours, frame 7, a with b"' in text and text.count("not kept") == 1


def test_strips_are_the_clips_frames_and_then_the_worst_of_ours(cross, sentence):
    dub = cross.truth.frames.copy()
    y, x = np.argwhere(cross.source.masks[5, 0].numpy() > 0.5)[0]
    dub[5, y, x] = 255 - dub[5, y, x]
    other = keep(cross.source.frames, cross)
    found = pages.strips(cross, {"ours_mini": keep(dub, cross), "wav2lip_mini": other})
    assert found[-1].frame == 5 and len(found) == 3 and "furthest" in found[-1].why and "alone" in found[0].why
    last = found[-1].pictures
    assert list(last) == ["source A", "truth B", "ours", "Wav2Lip-mini", "frozen mouth", "error of ours, x 4"]
    assert np.array_equal(last["ours"], dub[5]) and np.array_equal(last["truth B"], cross.truth.frames[5])
    assert np.array_equal(last["error of ours, x 4"], error_picture(dub[5], cross.truth.frames[5])) and last["error of ours, x 4"].any()
    assert (last["Wav2Lip-mini"] is None) == (5 not in other.at)
    assert np.array_equal(found[0].pictures["Wav2Lip-mini"], cross.source.frames[found[0].frame])
    there = pages.strips(sentence, {"ours_mini": keep(dub, sentence)})
    assert list(there[0].pictures) == ["source A", "recording B", "ours", "frozen mouth"] and len(there) == 2


def test_a_row_is_absent_for_its_reason_or_because_nobody_asked(shelf):
    absent = pages.absent_rows(entries(shelf), ["ours_mini", "frozen_mouth"], SENTENCE)
    assert absent["diff2lip_mini"] == "no checkpoint diff2lip_mini_smoke: not trained"
    assert absent["wav2lip_mini"].startswith("not scored") and "frozen_mouth" not in absent and "truth" not in absent
    assert "truth" in pages.absent_rows(entries(shelf), [], CROSS)
