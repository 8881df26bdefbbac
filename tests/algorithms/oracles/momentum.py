"""Momentum and adaptive steps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from tests.algorithms.oracles.world import Models, Rate, World

LEAST_RATE = 1e-15
"""Papers that divide by the learning rate mean a positive one; zero is the limit of small ones."""


def shortened(G: np.ndarray, clip: float | None) -> np.ndarray:
    """Rows of norm `clip` at most."""
    norms = np.linalg.norm(G, axis=1, keepdims=True)
    return G if clip is None else np.where(norms > clip, G * clip / np.maximum(norms, clip), G)


def ahead(M: np.ndarray, G: np.ndarray, beta: float, nesterov: bool) -> np.ndarray:
    return G + beta * M if nesterov else M


def dmsgd(
    X: np.ndarray, world: World, lr: Rate, *, momentum: float = 0.9, order: str = "atc",
    synchronized: bool = False, nesterov: bool = False, clip: float | None = None,
) -> Models:  # fmt: skip
    W, M = world.W, np.zeros_like(X)
    for k in count():
        G = shortened(world.gradient(X), clip)
        M = momentum * (W @ M if synchronized and order == "cta" else M) + G
        step = lr(k) * ahead(M, G, momentum, nesterov)
        X = W @ X - step if order == "cta" else W @ (X - step)
        M = W @ M if synchronized and order == "atc" else M
        yield X


def decentlam(
    X: np.ndarray, world: World, lr: Rate, *, momentum: float = 0.9, nesterov: bool = False, clip: float | None = None
) -> Models:
    M = np.zeros_like(X)
    for k in count():
        gamma = max(lr(k), LEAST_RATE)
        G = (X - world.W @ (X - gamma * shortened(world.gradient(X), clip))) / gamma
        M = momentum * M + G
        X = X - gamma * ahead(M, G, momentum, nesterov)
        yield X


def qg_dsgdm(
    X: np.ndarray, world: World, lr: Rate, *, momentum: float = 0.9, mu: float = 0.9,
    nesterov: bool = False, tau: int = 1, clip: float | None = None,
) -> Models:  # fmt: skip
    Mh = sums = np.zeros_like(X)
    for k in count():
        eta, G = max(lr(k), LEAST_RATE), shortened(world.gradient(X), clip)
        X, before = world.W @ (X - eta * ahead(momentum * Mh + G, G, momentum, nesterov)), X
        sums = sums + (before - X) / eta
        if k % tau == tau - 1:
            Mh, sums = mu * Mh + (1 - mu) * sums / tau, np.zeros_like(X)
        yield X


def qg_adam(
    X: np.ndarray, world: World, lr: Rate, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
    dampened: bool = True, clip: float | None = None,
) -> Models:  # fmt: skip
    Mh = Vh = np.zeros_like(X)
    for k in count():
        G = shortened(world.gradient(X), clip)
        M, V = beta1 * Mh + (1 - beta1 if dampened else 1) * G, beta2 * Vh + (1 - beta2) * G**2
        U = M / (1 - beta1 ** (k + 1)) / (np.sqrt(V / (1 - beta2 ** (k + 1))) + eps)
        X, before = world.W @ (X - lr(k) * U), X
        change = (before - X) / (np.linalg.norm(before - X, axis=1, keepdims=True) + 1e-8)
        Mh, Vh = beta1 * Mh + (1 - beta1) * change, beta2 * Vh + (1 - beta2) * change**2
        yield X


def dadam(
    X: np.ndarray, world: World, lr: Rate, *, beta1: float = 0.9, beta2: float = 0.999, beta3: float = 0.9, eps: float = 1e-4,
    denominator: str = "vbar", corrected: bool = False, clip: float | None = None,
) -> Models:  # fmt: skip
    W, M, V, Vbar = world.W, np.zeros_like(X), np.zeros_like(X), np.zeros_like(X)
    before, step_before = X, None
    for k in count():
        G = shortened(world.gradient(X), clip)
        M, V = beta1 * M + (1 - beta1) * G, beta2 * V + (1 - beta2) * G**2
        Mh, Vh = M / (1 - beta1 ** (k + 1)), V / (1 - beta2 ** (k + 1))
        Vbar = beta3 * Vbar + (1 - beta3) * np.maximum(Vbar, Vh)
        step = lr(k) * Mh / (np.sqrt(Vbar if denominator == "vbar" else Vh) + eps)
        if corrected and step_before is not None:  # EXTRA
            X, before = X + W @ X - (before + W @ before) / 2 - (step - step_before), X
        else:
            X, before = W @ X - step, X
        step_before = step
        yield X


def damsgrad(
    X: np.ndarray, world: World, lr: Rate, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-6,
    tracker: str = "late", clip: float | None = None,
) -> Models:  # fmt: skip
    W, M, V = world.W, np.zeros_like(X), np.zeros_like(X)
    Vh = Ut = np.full_like(X, eps)
    for k in count():
        G = shortened(world.gradient(X), clip)
        M, V = beta1 * M + (1 - beta1) * G, beta2 * V + (1 - beta2) * G**2
        Vh, Vh_before = np.maximum(Vh, V), Vh
        Ut = W @ Ut if tracker == "late" else W @ (Ut + Vh - Vh_before)
        X = W @ X - lr(k) * M / np.sqrt(np.maximum(Ut, eps))
        Ut = Ut + Vh - Vh_before if tracker == "late" else Ut
        yield X


def d_adam(
    X: np.ndarray, world: World, lr: Rate, *, period: int = 1, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
    clip: float | None = None,
) -> Models:  # fmt: skip
    M, V = np.zeros_like(X), np.zeros_like(X)
    for k in count(1):
        G = shortened(world.gradient(X), clip)
        M, V = beta1 * M + (1 - beta1) * G, beta2 * V + (1 - beta2) * G**2
        X = X - lr(k - 1) * M / (1 - beta1**k) / (np.sqrt(V / (1 - beta2**k)) + eps)
        X = world.W @ X if k % period == 0 else X
        yield X


ORACLES: dict[str, Callable[..., Models]] = {
    "dmsgd": dmsgd,
    "decentlam": decentlam,
    "qg_dsgdm": qg_dsgdm,
    "qg_adam": qg_adam,
    "dadam": dadam,
    "damsgrad": damsgrad,
    "d_adam": d_adam,
}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "dmsgd": [
        {},
        {"order": "cta", "nesterov": True, "clip": 0.5},
        {"synchronized": True, "momentum": 0.6},
        {"order": "cta", "synchronized": True},
    ],
    "decentlam": [{}, {"momentum": 0.5, "nesterov": True, "clip": 0.5}],
    "qg_dsgdm": [{}, {"momentum": 0.5, "mu": 0.3, "nesterov": True, "tau": 2, "clip": 0.5}],
    "qg_adam": [{}, {"beta2": 0.9, "dampened": False, "clip": 0.5}],
    "dadam": [
        {},
        {"denominator": "vhat", "beta2": 0.9, "clip": 0.5},
        {"corrected": True, "beta2": 0.9, "beta3": 0.0},
    ],
    "damsgrad": [{}, {"tracker": "fresh", "beta2": 0.9, "clip": 0.5}],
    "d_adam": [{}, {"period": 3, "beta2": 0.9, "clip": 0.5}],
}
