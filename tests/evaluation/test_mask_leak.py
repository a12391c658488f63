import numpy as np
import pytest

from paperlib.evaluation import mask_leak


def made(clips=24, frames=40, seed=0):
    """Openings that follow the place in the clip and a signal of their own; outlines that know one, both or nothing."""
    g = np.random.default_rng(seed)
    place = np.sin(np.linspace(0, np.pi, frames))
    own = [g.normal(size=frames) for _ in range(clips)]
    openings = [0.1 * place + 0.05 * s for s in own]

    def outline(values):
        return np.stack([np.stack([v + 0 * np.arange(5), np.arange(5) + 0.0], 1) for v in 50 * values])

    kinds = {
        "own": [outline(o) for o in openings],
        "nods": [outline(0.1 * place + 0 * s) for s in own],
        "nothing": [outline(g.normal(size=frames)) for _ in own],
    }
    return kinds, openings


def test_place_and_what_is_beyond_it():
    kinds, openings = made()
    found = mask_leak.leaks(kinds, openings)
    assert found["own"]["r"] > 0.99 and found["own"]["r_beyond_place"] > 0.7
    assert found["nods"]["r"] > 0.4 and abs(found["nods"]["r_beyond_place"]) < 0.15
    assert abs(found["nothing"]["r"]) < 0.2 and abs(found["nothing"]["r_beyond_place"]) < 0.2
    assert found["place"]["r"] == pytest.approx(found["nods"]["r"], abs=0.1)


def test_rows_say_what_they_are():
    kinds, openings = made(4)
    rows = mask_leak.rows(mask_leak.leaks(kinds, openings), "made clips, 4", "rule", 4)
    assert {(r.row, r.metric) for r in rows} >= {("place", "r"), ("own", "r"), ("own", "r_beyond_place")}
    assert all(r.data == "made clips, 4" and r.n == 4 for r in rows)


def test_a_folder_that_is_no_corpus_is_refused(tmp_path):
    from paperlib.errors import InputError

    with pytest.raises(InputError, match="clips.csv"):
        mask_leak.prepared_sets(tmp_path)
