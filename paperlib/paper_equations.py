"""The map of the 32 numbered equations: number -> function -> notebook -> test. `tests/test_paper.py` resolves every side."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from typing import Any

from paperlib import paths


@dataclass(frozen=True)
class Equation:
    """One numbered equation of the paper and where this project computes, explains and tests it."""

    number: int
    what: str
    functions: tuple[str, ...]  # dotted paths, `package.module:Object.attribute` with a colon after the module
    notebook: str  # stem in notebooks/
    test: str  # path below tests/


_F = "paperlib.face3d."
_M = "paperlib.models."
_L = "paperlib.losses."

_ROWS: tuple[tuple[int, str, str | tuple[str, ...], str, str], ...] = (
    (1, "shape S = S_mean + B_id alpha + B_exp beta", _F + "morphable_model:MorphableModel.shape", "01", "face3d/test_morphable_model.py"),
    (2, "texture T = T_mean + B_tex delta", _F + "morphable_model:MorphableModel.texture", "01", "face3d/test_morphable_model.py"),
    (3, "the sequences A (speech) and V (semantic images)", "paperlib.media.audio:mfcc_windows", "04", "media/test_audio.py"),
    (
        4,
        "F_a = CNN_audio(a), F_v = CNN_visual(v)",
        (_M + "expression:cnn_audio", _M + "expression:cnn_visual"),
        "05",
        "models/test_expression.py",
    ),
    (5, "the window N(t) of 2k+1 frames", _M + "expression:local_attention", "05", "models/test_expression.py"),
    (6, "query, keys and values", _M + "expression:LocalCrossModalAttention", "05", "models/test_expression.py"),
    (7, "attention inside the window", _M + "expression:local_attention", "05", "models/test_expression.py"),
    (8, "Bi-LSTM over z", _M + "expression:ExpressionNet", "05", "models/test_expression.py"),
    (9, "linear read-out of 64 coefficients", _M + "expression:ExpressionNet", "05", "models/test_expression.py"),
    (10, "M_e: (A, V) -> beta", _M + "expression:ExpressionNet", "05", "models/test_expression.py"),
    (11, "expression loss", _L + "expression:expression_loss", "05", "losses/test_expression.py"),
    (12, "shape loss on projected landmarks", _L + "expression:shape_loss", "05", "losses/test_expression.py"),
    (13, "L_exp + lambda_shape L_shape", _L + "expression:total_expression_loss", "05", "losses/test_expression.py"),
    (14, "flow and warp", (_M + "flow:SFM", _M + "flow:warp"), "06", "models/test_flow.py"),
    (15, "TMN: colour, attention and features", _M + "texture:TMN", "06", "models/test_texture.py"),
    (16, "I_e = A_e C_e + (1 - A_e) I_warp", _M + "texture:compose", "06", "models/test_texture.py"),
    (17, "RBFIN: colour and attention of the inpainting", _M + "inpainting:RBFIN", "06", "models/test_inpainting.py"),
    (18, "I_i = A_i C_i + (1 - A_i) I_crop", _M + "texture:compose", "06", "models/test_texture.py"),
    (19, "MSAF: branches of 3, 5 and 7", _M + "blocks:MSAF", "06", "models/test_blocks.py"),
    (20, "MSAF: weights of the branches", _M + "blocks:MSAF", "06", "models/test_blocks.py"),
    (21, "MSAF: mask", _M + "blocks:MSAF", "06", "models/test_blocks.py"),
    (22, "MSAF: scaled residual", _M + "blocks:MSAF", "06", "models/test_blocks.py"),
    (23, "reconstruction losses", _L + "reconstruction:rec_loss", "07", "losses/test_reconstruction.py"),
    (24, "1 - SSIM", _L + "reconstruction:ssim_loss", "07", "losses/test_reconstruction.py"),
    (25, "generator's WGAN loss", _L + "adversarial:generator_loss", "07", "losses/test_adversarial.py"),
    (
        26,
        "critic's objective with gradient penalty",
        (_L + "adversarial:critic_loss", _L + "adversarial:gradient_penalty"),
        "07",
        "losses/test_adversarial.py",
    ),
    (27, "correspondence loss", _L + "correspondence:correspondence_loss", "07", "losses/test_correspondence.py"),
    (28, "perceptual loss", _L + "perceptual:perceptual_loss", "07", "losses/test_perceptual.py"),
    (29, "style loss", (_L + "perceptual:style_loss", _L + "perceptual:gram"), "07", "losses/test_perceptual.py"),
    (30, "total of the inpainted image", _L + "objective:inpainting_objective", "07", "losses/test_objective.py"),
    (31, "total of the intermediate image", _L + "objective:intermediate_objective", "07", "losses/test_objective.py"),
    (32, "eps L_i + (1 - eps) L_e", _L + "objective:total_objective", "07", "losses/test_objective.py"),
)

_NOTEBOOK = {
    "01": "01_morphable_model", "04": "04_speech_and_semantic_images", "05": "05_expression_training",
    "06": "06_renderer_blocks", "07": "07_renderer_training",
}  # fmt: skip

EQUATIONS: dict[int, Equation] = {
    n: Equation(n, what, (fns,) if isinstance(fns, str) else fns, _NOTEBOOK[nb], test) for n, what, fns, nb, test in _ROWS
}


def resolve(dotted: str) -> Any:
    """The object behind `package.module:Object.attribute` (or `package.module`); ImportError or AttributeError if it is not there."""
    module, _, attributes = dotted.partition(":")
    found: Any = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        found = getattr(found, name)
    return found


def mentions(text: str, number: int) -> bool:
    """True if `text` cites equation `number` as "(7)", inside a range "(4)-(10)", or inside "(4-10)".

    >>> mentions("eqs. (19)-(22)", 20), mentions("eq. (1)", 11)
    (True, False)
    """
    if re.search(rf"\({number}\)|\\tag\{{{number}\}}", text):
        return True
    spans = re.findall(r"\((\d+)\)\s*(?:-|–|to)\s*\((\d+)\)|\((\d+)\s*[-–]\s*(\d+)\)", text)
    return any(int(a or c) <= number <= int(b or d) for a, b, c, d in spans)


def unresolved(equation: Equation) -> list[str]:
    """What is missing of one equation, in words; an empty list means that all four sides agree."""
    problems = []
    test = paths.ROOT / "tests" / equation.test
    test_text = test.read_text() if test.exists() else ""
    if not test_text:
        problems.append(f"no test file tests/{equation.test}")
    sources = []
    for dotted in equation.functions:
        try:
            found = resolve(dotted)
        except (ImportError, AttributeError) as e:
            problems.append(f"{dotted} cannot be imported: {e}")
            continue
        sources.append(inspect.getsource(found))
        name = dotted.rpartition(":")[2].rpartition(".")[2]
        if test_text and not re.search(rf"\b{name}\b", test_text):
            problems.append(f"tests/{equation.test} does not use {name}")
    if sources and not any(mentions(s, equation.number) for s in sources):
        problems.append(f"({equation.number}) is not cited in the source of {', '.join(equation.functions)}")
    notebook = paths.NOTEBOOKS / f"{equation.notebook}.py"
    if not notebook.exists():
        problems.append(f"no notebook {equation.notebook}.py")
    elif not mentions(notebook.read_text(), equation.number):
        problems.append(f"{equation.notebook}.py does not cite ({equation.number})")
    return problems
