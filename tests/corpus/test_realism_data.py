import json

import numpy as np
import pytest

from paperlib.corpus import realism_data
from paperlib.corpus.articulation import Style, Tuning, articulate, speech_channels
from paperlib.corpus.visemes import segments
from paperlib.errors import InputError
from paperlib.face3d.morphable_model import default_model
from paperlib.paths import ROOT

ALIGN = (
    "0 15750 sil\n15750 20750 bin\n20750 26000 green\n26000 28250 at\n28250 33000 a\n33000 39250 four\n39250 46500 now\n46500 74500 sil\n"
)
ASSETS = ROOT.parent / "shared" / "assets" / "grid"


def test_alignments_become_phonemes_on_the_recordings_clock(tmp_path):
    path = tmp_path / "bgaa4n.align"
    path.write_text(ALIGN)
    words = realism_data.read_alignment(path)
    assert words[1] == ("bin", 0.63, 0.83)
    phonemes = realism_data.aligned_phonemes(words)
    assert phonemes[0].end == 0.63 and phonemes[-1].end == 2.98
    assert all(a.end == pytest.approx(b.start) for a, b in zip(phonemes, phonemes[1:]))
    classes = [s.viseme for s in segments(phonemes)]
    assert classes[:4] == ["rest", "PP", "IY", "TD"]
    letter = [p.symbol for p in phonemes if 1.13 < (p.start + p.end) / 2 < 1.32]
    assert letter and letter[0][0] in "eæ"  # the letter's name, not the article


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "x.align"
    path.write_text("hello")
    with pytest.raises(InputError, match="x.align"):
        realism_data.read_alignment(path)
    with pytest.raises(InputError, match="no GRID clips"):
        realism_data.grid_files(tmp_path)


def test_equal_files_count_once(tmp_path):
    for folder in ("others", "s1"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.mpg").write_bytes(b"same")
    (tmp_path / "s1" / "a.align").write_text(ALIGN)
    (tmp_path / "s1" / "b.mpg").write_bytes(b"other")
    assert [str(p.relative_to(tmp_path)) for p in realism_data.grid_files(tmp_path)] == ["s1/a.mpg", "s1/b.mpg"]


def test_opening_is_measured_on_the_front_view():
    names = default_model().action_names
    actions = np.zeros((40, len(names)), np.float32)
    actions[20:, names.index("jawOpen")] = 0.3
    opening = realism_data.opening_of(actions, np.zeros(80, np.float32))
    assert opening[:20].max() == pytest.approx(0.0, abs=1e-9) and 0.05 < opening[20] < 0.2


def test_embedded_speech_is_the_corpus_kind():
    said, n = realism_data.embedded_speech(3)
    assert n <= 100 and said.phonemes[0].symbol == "_" and said.phonemes[0].end == pytest.approx(0.2)


def test_a_round_of_the_audit_changes_what_it_says():
    said, n = realism_data.embedded_speech(0)
    wide, plain = (speech_channels(said.phonemes, n, said.wave, Style(), tuning=Tuning(pace=p))[:, 0] for p in (2.0, 1.0))
    assert np.abs(np.diff(wide)).mean() > 1.1 * np.abs(np.diff(plain)).mean()
    names = default_model().action_names
    rest, breath = (
        articulate(said.phonemes, n, said.wave, Style(breath=b), np.random.default_rng(0), names)[:, names.index("jawOpen")]
        for b in (0.0, 0.3)
    )
    assert (breath >= rest - 1e-6).all()


@pytest.mark.assets
@pytest.mark.skipif(not ASSETS.exists(), reason="no GRID clips in ../shared/assets/grid")
def test_grid_has_one_hundred_different_clips_and_the_first_is_measured(tmp_path):
    files = realism_data.grid_files(ASSETS)
    assert len(files) == 100 and sum(f.parent.name == "others" for f in files) == 10
    json.dumps([f.name for f in files])
    lmk, wave = realism_data.grid_landmarks(files[0], tmp_path)
    assert lmk.shape == (75, 68, 2) and np.isfinite(lmk).all() and abs(len(wave) / 16000 - 3.0) < 0.2
    again, _ = realism_data.grid_landmarks(files[0], tmp_path)
    assert np.array_equal(lmk, again)
