import numpy as np
import pytest

from paperlib.corpus import realism, realism_data, realism_report
from paperlib.corpus.articulation import TUNING, Tuning
from paperlib.corpus.realism_figure import draw
from paperlib.corpus.realism_report import FIRST, ROUNDS, Recorded, on_same_sound
from paperlib.errors import InputError
from paperlib.results import provenance, read_results, select, write_results


@pytest.fixture(scope="module")
def recorded():
    """Twenty-four made recordings: espeak-ng's sentences, openings by rule2 with a bit of noise."""
    out = []
    for k in range(24):
        said, n = realism_data.embedded_speech(k)
        wave = said.wave[: n * 640]
        opening = realism_data.rule_opening("rule2", 500 + k, said.phonemes, wave, n)
        track = realism.track(f"s1/c{k}", realism.with_noise(opening, 0.002, np.random.default_rng(k)), wave)
        out.append(Recorded(track, wave, said.phonemes if k < 22 else None, "bin blue at f two now" if k < 22 else "", k % 2 == 0))
    return out


def test_rounds_end_where_the_rule_stands():
    assert ROUNDS[0][1] == {} and FIRST != TUNING
    last = {**vars(FIRST), **ROUNDS[-1][1]}
    assert Tuning(**last) == TUNING


def test_a_rule_on_the_same_sound_has_other_speakers_for_every_repeat(recorded):
    tracks = on_same_sound("rule", recorded[:4], 0.0)
    assert len(tracks) == 4 * realism_report.REPEATS and [t.name for t in tracks[:4]] == [t.name for t in tracks[4:8]]
    assert np.array_equal(tracks[0].loud, recorded[0].track.loud)
    assert not np.allclose(tracks[0].opening, tracks[4].opening)


def test_the_report_is_whole_and_its_figure_is_drawn_from_it(recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(realism_report, "people", lambda *_: recorded)
    monkeypatch.setattr(realism_report, "ROUNDS", (ROUNDS[0], ROUNDS[-1]))
    monkeypatch.setattr(realism_report, "TRIALS", realism_report.TRIALS[:1])
    monkeypatch.setattr(realism_report, "CORPUS_CLIPS", 10)
    monkeypatch.setattr(realism_report, "TAKE_SENTENCES", 2)
    monkeypatch.setattr(realism_report, "REPEATS", 1)
    rows = realism_report.measure(tmp_path)
    halves = select(rows, row="people", metric="r_loudness")
    assert len(halves) == 1 and halves[0].n == 12 and halves[0].low < halves[0].value < halves[0].high
    like, unlike = (select(rows, row=f"{r}_same_sound", metric="distance_total")[0].value for r in ("rule2", "rule"))
    assert 0.0 < like < 0.2 and unlike > 0.0
    assert select(rows, row="rule2_same_sound", metric="r_recorded")[0].value > 0.7
    ceiling = select(rows, row="rule_corpus", metric="noise_ceiling")[0]
    assert 0.3 < ceiling.value < 0.99 and ceiling.n == 2
    rounds = [{"what": what, "settings": {}} for what, _ in realism_report.ROUNDS]
    path = write_results("realism", rows, provenance("test", "-", 0, "made", 0.0, rounds=rounds), tmp_path)
    assert len(read_results("realism", tmp_path)[0]) == len(rows)
    picture = draw(path, tmp_path / "figures")
    assert picture.exists() and picture.with_suffix(".json").exists()


def test_results_and_figures_may_not_share_a_folder(tmp_path):
    with pytest.raises(InputError, match="different folders"):
        realism_report.main(["--grid", str(tmp_path), "--out", str(tmp_path), "--figures", str(tmp_path)])
