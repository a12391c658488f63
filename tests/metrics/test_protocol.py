import importlib

import pytest

from paperlib.errors import InputError
from paperlib.metrics import protocol


@pytest.mark.parametrize("card", protocol.CARDS.values(), ids=list(protocol.CARDS))
def test_every_card_names_a_function_that_exists_and_leaves_nothing_empty_but_a_unit(card):
    module, function = card.function.split(":")
    assert callable(getattr(importlib.import_module(f"paperlib.{module}"), function))
    assert card.better in ("higher", "lower")
    for name, text in vars(card).items():
        assert text or name == "unit", name
    assert card.definition in card.line()


def test_the_papers_metrics_all_have_cards_and_unknown_ones_are_refused():
    assert {"psnr", "ssim", "lpips", "lmd", "csim", "sync", "aed"} <= set(protocol.CARDS)
    assert [row["metric"] for row in protocol.table("ssim", "lmd")] == ["ssim", "lmd"]
    assert len(protocol.table()) == len(protocol.CARDS)
    with pytest.raises(InputError, match="known: psnr"):
        protocol.card("fid")
