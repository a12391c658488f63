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
        for row, beta in readme.STAGE2 for m, _ in readme.STAGE2_METRICS for part in ("all", "still heads") for region in ("mouth", "lips")
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
    assert "an audio path beside (7), an extension that the paper does not have" in readme.block(tmp_path)


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
    assert text.count("Not measured yet") == 2 and "Published" in text


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
