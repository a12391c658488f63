"""README's results block is a function of data/results."""

import pytest

from paperlib import paper, readme
from paperlib.errors import InputError
from paperlib.results import Row, provenance, write_results

HEADER = provenance("test", "smoke", 0, "none", 0.0)


def write(folder, value=0.5):
    rows = [
        Row("controls_expression", row, m, None if (row, m) == ("mean_expression", "opening_r") else value, data="test, 4 clips",
            motion="rule", low=0.4, high=0.6, n=2, protocol="constant")
        for row in readme.STAGE1 for m in readme.STAGE1_METRICS
    ]  # fmt: skip
    write_results("controls_expression", rows, HEADER, folder)
    rows = [
        Row("controls_renderer", row, m, value, data=f"speakers, {part}", motion="rule", beta=beta, region=region, n=2)
        for row, beta in readme.STAGE2 for m, region in readme.STAGE2_METRICS for part in ("all", "still heads")
        if (row, m) not in readme.UNDEFINED
    ]  # fmt: skip
    write_results("controls_renderer", rows, HEADER, folder)


@pytest.fixture
def card(monkeypatch):
    """The shipped network's card, as far as the block reads it; a test may change it."""
    made = {"config": {"residual_audio": False}}
    monkeypatch.setattr(readme, "read_card", lambda name: made)
    return made


def test_an_extension_of_the_network_is_said(tmp_path, card):
    write(tmp_path)
    assert "audio path" not in readme.block(tmp_path)
    card["config"]["residual_audio"] = True
    assert "an audio path beside the attention, equation (7), an extension that the paper does not have" in readme.block(tmp_path)


@pytest.mark.usefixtures("card")
def test_block_names_data_n_and_interval(tmp_path):
    write(tmp_path)
    text = readme.block(tmp_path)
    assert "test, 4 clips; n = 2 speakers; motion source `rule`; brackets: 95% interval" in text
    assert "| **this network** | 0.50 [0.40, 0.60] | 0.50 [0.40, 0.60] |" in text
    assert "| mean expression | undefined (constant) |" in text
    assert text.index("stage 2") < text.index("Published, not measured here")
    assert f"| VoxCeleb1 test | the paper's method | {paper.TABLES['table1'].value('ours', 'psnr'):.2f} |" in text
    assert "IP_LAP" in text


def test_results_that_are_not_there_are_said_not_to_be(tmp_path):
    text = readme.block(tmp_path)
    assert text.count("Not measured yet") == 4 and text.count("Not judged yet") == 1 and "Published" in text


def test_systems_stand_side_by_side_and_their_duels_are_counted(tmp_path):
    for table, part in (("table1", "still heads"), ("table2", "strong head motion")):
        about = {"data": f"speakers, {part}, 4 clips", "track": "cross-dub", "n": 4, "low": 0.1, "high": 0.9}
        rows = [Row(table, row, m, 0.5, region=where, **about) for row in readme.SYSTEMS for m, where in readme.SYSTEM_METRICS]
        rows += [
            Row(table, f"full_minus_{other}", "psnr", 0.3, region="crop", **about, protocol=f"paired; ours is: {said} (Holm p 0.01 of 2)")
            for other, said in (("wav2lip_mini", "better"), ("ip_lap_mini", "worse"), ("frozen_mouth", "better"))
        ]
        rows.append(Row(table, "ours", "psnr", 38.31, kind="published"))
        write_results(table, rows, HEADER, tmp_path)
    text = readme.systems(tmp_path)
    assert (
        "of 4 embedded test speakers" in text and "still heads: better in 1, tied in 0, worse in 1; strong head motion: better in 1" in text
    )
    assert "| IP_LAP-mini | 0.50 [0.10, 0.90] | 0.50 [0.10, 0.90] | 0.50" in text and "38.31" not in text


def test_recorded_people_stand_beside_what_hears_no_words(tmp_path):
    def row(table, name, value, data, **other):
        return Row(table, name, "opening_r", value, data=data, low=value - 0.1, high=value + 0.1, n=9, **other)

    motion = [row("controls_expression_real", n, v, "d") for n, v in (("full", 0.4), ("loudness", 0.5))]
    write_results("controls_expression_real", motion, HEADER, tmp_path)
    people = ("the speaker tuned on, 20 other sentences", "10 clips of other people")
    values = (("tuned_0", 0.3), ("loudness", 0.6), ("tuned_60", 0.8), ("scratch_60", 0.7), ("frame_index", 0.65))
    grid = [row("expression_grid", n, v, f"GRID, {data}") for data in people for n, v in values]
    write_results("expression_grid", grid, HEADER, tmp_path)
    assert "Not measured yet" in readme.recorded(tmp_path)
    dubs = [row("controls_dub_grid", n, v, "grid, s1, 12 clips", track=track)
            for track, shift in (("cross-sentence", 0), ("self", 0.1))
            for n, v in (("ours_mini", 0.2 + shift), ("swapped_speech", 0.1), ("source_unchanged", 0.3))]  # fmt: skip
    write_results("controls_dub_grid", dubs, HEADER, tmp_path)
    text = readme.recorded(tmp_path)
    assert "| 0.40 [0.30, 0.50] | loudness 0.50 [0.40, 0.60] |" in text and text.count("| 0.80 [0.70, 0.90] | trained on these alone") == 2
    assert "| 0.20 [0.10, 0.30] | fed wrong speech 0.10 [0.00, 0.20]; the video left as it was 0.30" in text


def test_sizes_come_from_the_shipped_cards(monkeypatch):
    sizes = {"expression": 2e5, "teacher": 1e6, "renderer": 3e5, "wav2lip_mini": 1.2e5, "ip_lap_mini": 1.1e5}
    monkeypatch.setattr(readme, "read_card", lambda name: {"parameters": sizes[name.removesuffix("_classroom")]})
    assert readme._sizes(("ours_mini",)) == "1.50 M" and readme._sizes(("wav2lip_mini", "ip_lap_mini")) == "0.11 to 0.12 M"


def test_every_claim_stands_there_with_its_verdict(tmp_path):
    rows = [Row("ledger", "best_vox1", "published", None, kind="published", data="table 1", protocol="best in every column")]
    rows.append(Row("ledger", "best_vox1", "verdict", None, protocol="does not hold: worse in 2: of 30"))
    write_results("ledger", rows, HEADER, tmp_path)
    assert "| best in every column (table 1) | **does not hold** | worse in 2: of 30 |" in readme.claims(tmp_path)
    assert readme.claims().count("\n| ") == len(paper.CLAIMS) + 2


@pytest.mark.usefixtures("card")
def test_tables_never_mix_data(tmp_path):
    write(tmp_path)
    rows = readme.read_results("controls_expression", tmp_path)[0]
    rows[0] = Row(**(vars(rows[0]) | {"data": "other clips"}))
    write_results("controls_expression", rows, HEADER, tmp_path)
    with pytest.raises(InputError, match="mixes"):
        readme.block(tmp_path)


@pytest.mark.usefixtures("card")
def test_fill_touches_only_the_block(tmp_path):
    write(tmp_path)
    text = f"# Title\n\n{readme.BEGIN}\nold\n{readme.END}\n\nend\n"
    filled = readme.fill(text, tmp_path)
    assert filled.startswith("# Title\n") and filled.endswith("\nend\n") and "old" not in filled
    assert readme.fill(filled, tmp_path) == filled
    write(tmp_path, 0.6)
    assert readme.fill(filled, tmp_path) != filled
    for bad in ("no markers", text + readme.END, f"{readme.END}{readme.BEGIN}"):
        with pytest.raises(InputError, match="needs one"):
            readme.fill(bad)


def test_the_readme_agrees_with_the_shipped_results():
    text = readme.README.read_text()
    assert readme.fill(text) == text, f"README.md is out of date; run: {readme.COMMAND}"
