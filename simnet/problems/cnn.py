"""A small convolutional network for images of a few pixels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """3x3 convolutions with group normalization and ReLU, each after the first halving the image, and a linear layer.

    Group normalization and not batch normalization: its statistics belong to one sample, so averaging models means
    the same as for the weights.

    Args:
        sample_shape: channels, height, width of an image.
        channels: of each convolution.
        num_outputs: of the last layer.

    Example:
        >>> import torch
        >>> SmallCNN((1, 8, 8), (8, 16), 10)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(self, sample_shape: Sequence[int], channels: Sequence[int], num_outputs: int) -> None:
        super().__init__()
        colors, height, width = sample_shape
        layers: list[nn.Module] = []
        for stage, (num_in, num_out) in enumerate(itertools.pairwise((colors, *channels))):
            stride = 1 if stage == 0 else 2
            convolution = nn.Conv2d(num_in, num_out, 3, stride, padding=1)
            layers += [convolution, nn.GroupNorm(_groups(num_out), num_out), nn.ReLU()]
            height, width = -(-height // stride), -(-width // stride)
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels[-1] * height * width, num_outputs))

    def forward(self, images: Tensor) -> Tensor:
        """The logits [b, outputs] of images.

        Args:
            images: [b, channels, height, width].
        """
        return cast("Tensor", self.layers(images))


def _groups(channels: int) -> int:
    return next(groups for groups in (4, 3, 2, 1) if channels % groups == 0)
