"""Stage 1: speech and semantic images to expression coefficients, equations (3)-(10)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from paperlib.config import ExpressionConfig
from paperlib.errors import check_shape
from paperlib.models.encoders import AudioCNN, VisualCNN

EXP_SIZE = 64  # m of (9)
MFCC_SHAPE = (13, 28)


class ExpressionOutput(NamedTuple):
    """exp: beta* (B, T, 64) in standard deviations; attention: attn^t of (7), (B, T, 2k+1), zeros when there is no attention."""

    exp: Tensor
    attention: Tensor


def cnn_audio(cfg: ExpressionConfig) -> AudioCNN:
    """CNN_audio of (4): (N, 1, 13, 28) -> F_a (N, d_a)."""
    return AudioCNN(cfg.audio_channels, cfg.d_a, *MFCC_SHAPE, early_pool=cfg.early_pool)


def cnn_visual(cfg: ExpressionConfig, size: int) -> VisualCNN:
    """CNN_visual of (4): (N, 3, size, size) in [0, 1] -> F_v (N, d_v)."""
    return VisualCNN(cfg.visual_channels, cfg.d_v, size, cfg.visual_padding, cfg.visual_ceil)


def time_windows(x: Tensor, k: int) -> Tensor:
    """N(t) of eq. (5): (B, T, d) -> (B, T, 2k+1, d), frames t-k ... t+k, zeros beyond the ends.

    >>> time_windows(torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1), 1)[0, :, :, 0].tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 0.0]]
    """
    return F.pad(x, (0, 0, k, k)).unfold(1, 2 * k + 1, 1).transpose(2, 3)


def window_mask(batch: int, frames: int, k: int, lengths: Tensor | None = None, device: torch.device | None = None) -> Tensor:
    """(B, T, 2k+1) True where frame tau of N(t) exists: 0 <= tau < length."""
    tau = torch.arange(frames, device=device)[:, None] + torch.arange(-k, k + 1, device=device)
    end = torch.full((batch,), frames, device=device) if lengths is None else lengths.to(tau.device)
    return (tau >= 0)[None] & (tau[None] < end[:, None, None])


def local_attention(q: Tensor, key: Tensor, value: Tensor, k: int, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Equations (5)-(7): each frame's query attends to the 2k+1 frames around it; frames beyond the clip's ends get weight 0.

    q, key, value: (B, T, d); lengths: (B,) frames of each clip (None: all T). Returns z (B, T, d) and attn (B, T, 2k+1).

    >>> z, attn = local_attention(torch.zeros(1, 3, 2), torch.zeros(1, 3, 2), torch.ones(1, 3, 2), k=1)
    >>> attn[0, 0].tolist()
    [0.0, 0.5, 0.5]
    """
    check_shape("key", key, tuple(q.shape))
    check_shape("value", value, tuple(q.shape))
    batch, frames, d = q.shape
    seen = window_mask(batch, frames, k, lengths, q.device)
    score = torch.einsum("btd,btnd->btn", q, time_windows(key, k)) / d**0.5
    score = score.masked_fill(~seen, torch.finfo(score.dtype).min)  # finite: a padded frame may see nothing at all
    attn = torch.softmax(score, dim=-1) * seen  # eq. (7), left
    return torch.einsum("btn,btnd->btd", attn, time_windows(value, k)), attn  # eq. (7), right


class LocalCrossModalAttention(nn.Module):
    """W_Q, W_K, W_V of eq. (6) around `local_attention`: speech asks, the semantic images answer."""

    def __init__(self, d_query: int, d_memory: int, d: int, k: int):
        super().__init__()
        self.k = k
        self.w_q = nn.Linear(d_query, d, bias=False)
        self.w_k = nn.Linear(d_memory, d, bias=False)
        self.w_v = nn.Linear(d_memory, d, bias=False)

    def forward(self, query: Tensor, memory: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """query F_a (B, T, d_a), memory F_v (B, T, d_v) -> z (B, T, d), attn (B, T, 2k+1)."""
        return local_attention(self.w_q(query), self.w_k(memory), self.w_v(memory), self.k, lengths)  # eq. (6)


class ExpressionNet(nn.Module):
    """M_e of eq. (10): (A, V) -> beta*.

    By (7) z is a mixture of image features alone: speech reaches the coefficients only by weighting them (and through V itself).
    Ablations of table 3, whose wiring the paper does not give: `use_semantic=False` lets the speech features attend to themselves;
    `use_attention=False` joins F_a and F_v of the same frame by one linear layer; with both off that layer sees F_a alone.
    Extension, not in the paper: `cfg.residual_audio` adds a linear map of F_a to z, so that speech is not limited to what V shows.
    """

    def __init__(self, cfg: ExpressionConfig, semantic_size: int, use_semantic: bool = True, use_attention: bool = True):
        super().__init__()
        self.cfg, self.semantic_size = cfg, semantic_size
        self.use_semantic, self.use_attention = use_semantic, use_attention
        self.cnn_audio = cnn_audio(cfg)
        self.cnn_visual = cnn_visual(cfg, cfg.visual_size or semantic_size) if use_semantic else None
        if use_attention:
            self.attend = LocalCrossModalAttention(cfg.d_a, cfg.d_v if use_semantic else cfg.d_a, cfg.d, cfg.k)
        else:
            self.join = nn.Linear(cfg.d_a + (cfg.d_v if use_semantic else 0), cfg.d)
        self.audio_skip = nn.Linear(cfg.d_a, cfg.d, bias=False) if cfg.residual_audio and use_attention else None
        self.lstm = nn.LSTM(cfg.d, cfg.lstm_hidden, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * cfg.lstm_hidden, EXP_SIZE)

    def forward(self, mfcc: Tensor, semantic: Tensor | None = None, lengths: Tensor | None = None) -> ExpressionOutput:
        """mfcc (B, T, 13, 28), semantic (B, T, 3, S, S) in [0, 1] (not read without semantic images), lengths (B,) in frames.

        Frames at and beyond a clip's length do not reach the others; their own output is b_o.
        """
        check_shape("mfcc", mfcc, (None, None, *MFCC_SHAPE))
        batch, frames = mfcc.shape[:2]
        f_a = self.cnn_audio(mfcc.flatten(0, 1)[:, None]).unflatten(0, (batch, frames))  # eq. (4)
        memory = f_a
        if self.cnn_visual is not None:
            if semantic is None:
                raise ValueError("semantic: this network reads semantic images, so they are required")
            check_shape("semantic", semantic, (batch, frames, 3, self.semantic_size, self.semantic_size))
            memory = self.cnn_visual(self.resized(semantic.flatten(0, 1))).unflatten(0, (batch, frames))  # eq. (4)
        if self.use_attention:
            z, attention = self.attend(f_a, memory, lengths)  # eq. (5)-(7)
            if self.audio_skip is not None:
                z = z + self.audio_skip(f_a)
        else:
            z = self.join(torch.cat([f_a, memory], dim=-1) if self.use_semantic else f_a)
            attention = z.new_zeros(batch, frames, 2 * self.cfg.k + 1)
        return ExpressionOutput(self.out(self._lstm(z, lengths)), attention)  # eq. (9)

    def resized(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) at the side that CNN_visual reads."""
        size = self.cfg.visual_size
        return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False) if size else images

    def _lstm(self, z: Tensor, lengths: Tensor | None) -> Tensor:
        """Eq. (8): (B, T, d) -> (B, T, 2 hidden); the backward pass starts at each clip's own last frame."""
        if lengths is None:
            return self.lstm(z)[0]
        packed = pack_padded_sequence(z, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=z.shape[1])[0]
