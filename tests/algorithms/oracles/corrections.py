"""What corrects the bias of gossip with heterogeneous data, besides DeTAG: written from the papers' listings."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import networkx as nx
import numpy as np

from tests.algorithms.oracles.gossip import accelerated, formula
from tests.algorithms.oracles.world import Models, Rate, World


def ratio(lr: Rate, k: int) -> float:
    return lr(k) / lr(k - 1) if lr(k - 1) else 1.0


def d2(X: np.ndarray, world: World, lr: Rate, rescale: bool = False) -> Models:
    """Two-step form; `rescale` stores what the model has moved by and the gradient in units of the rate."""
    W, X_before, G_before = world.W, X, world.gradient(X)
    for k in count():
        G = world.gradient(X)
        H = X - lr(k) * G
        if k > 0:
            H = H + (ratio(lr, k) if rescale else 1) * (X - X_before + lr(k - 1) * G_before)
        X, X_before, G_before = W @ H, X, G
        yield X


def exact_diffusion(X: np.ndarray, world: World, lr: Rate, gossip_rounds: int = 1, eta: float | str = "auto") -> Models:
    """D2 with (I + W) / 2, or with damped accelerated gossip; no noise, so the mean of R gradients is one of them."""
    n, R = len(X), gossip_rounds
    eta = formula(world.rho) if isinstance(eta, str) else eta
    tau = 1 / (2 * n)
    M = accelerated(np.eye(n), world.W, R, eta)
    Wbar = (np.eye(n) + world.W) / 2 if R == 1 else (1 - tau) * M + tau * np.eye(n)
    models = d2(X, World(Wbar, world.gradient), lambda k: lr(k * R))
    for Z in models:
        for _ in range(R - 1):
            yield X
        X = Z
        yield X


def extra(X: np.ndarray, world: World, lr: Rate) -> Models:
    W, eye = world.W, np.eye(len(X))
    G_before, X_before, X = world.gradient(X), X, W @ X - lr(0) * world.gradient(X)
    yield X
    for k in count(1):
        G = world.gradient(X)
        X_next = (eye + W) @ X - (eye + W) / 2 @ X_before - (lr(k) * G - lr(k - 1) * G_before)
        X, X_before, G_before = X_next, X, G
        yield X


def gradient_tracking(X: np.ndarray, world: World, lr: Rate, form: str = "awc") -> Models:
    """The x update, then the y update, with the gradient at the new x."""
    W, G = world.W, world.gradient(X)
    Y = G
    for k in count():
        X = W @ X - lr(k) * Y if form == "awc" else W @ (X - lr(k) * Y)
        yield X
        G, G_before = world.gradient(X), G
        Y = W @ (Y + G - G_before) if form == "full" else W @ Y + G - G_before


def gut(X: np.ndarray, world: World, lr: Rate, mu: float = 0.9) -> Models:
    """With U = lr Y in place of Y, so that a rate of zero does not divide by zero."""
    W, U, step = world.W, np.zeros_like(X), np.zeros_like(X)
    for k in count():
        Z = W @ X
        tracked = ratio(lr, k) * (W @ U - step) if k > 0 else 0.0
        step = lr(k) * world.gradient(Z)
        U = step - (Z - X) + mu * tracked
        X = X - U
        yield X


def topology(W: np.ndarray) -> nx.Graph:
    """The graph of the nonzero weights."""
    graph = nx.empty_graph(len(W))
    graph.add_edges_from((int(i), int(j)) for i, j in np.argwhere(W) if i < j)
    return graph


def tree(W: np.ndarray) -> nx.Graph:
    """The breadth-first tree from the first node of the center."""
    graph = topology(W)
    found = nx.Graph(nx.bfs_edges(graph, min(nx.center(graph)), sort_neighbors=sorted))
    found.add_nodes_from(graph)
    return found


def defacto(X: np.ndarray, world: World, lr: Rate) -> Models:
    """SGD with the average gradient, a step in each phase."""
    R = max(1, 2 * nx.radius(topology(world.W)))
    for phase in count():
        mean = (X - lr(2 * R * phase) * world.gradient(X)).mean(axis=0)
        for _ in range(2 * R - 1):
            yield X
        X = np.tile(mean, (len(X), 1))
        yield X


def relaysgd(X: np.ndarray, world: World, lr: Rate, overlap: bool = False) -> Models:
    """The mean of all h_j, each late by its distance; one's own start where there is none yet."""
    start, n, H = X, len(X), []
    distances = dict(nx.all_pairs_shortest_path_length(tree(world.W)))
    for k in count():
        H.append(X - lr(k) * world.gradient(X))
        X = np.zeros_like(X)
        for i in range(n):
            for j in range(n):
                late = distances[i][j] if overlap else max(distances[i][j] - 1, 0)
                X[i] += (H[k - late][j] if late <= k else start[i]) / n
        yield X


ORACLES: dict[str, Callable[..., Models]] = {
    "d2": d2,
    "exact_diffusion": exact_diffusion,
    "extra": extra,
    "gradient_tracking": gradient_tracking,
    "gut": gut,
    "defacto": defacto,
    "relaysgd": relaysgd,
}

PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "d2": [{}, {"rescale": True}],
    "exact_diffusion": [{}, {"gossip_rounds": 3}, {"gossip_rounds": 2, "eta": 0.1}],
    "extra": [{}],
    "gradient_tracking": [{}, {"form": "atc"}, {"form": "full"}],
    "gut": [{}, {"mu": 0.3}],
    "defacto": [{}],
    "relaysgd": [{}, {"overlap": True}],
}
