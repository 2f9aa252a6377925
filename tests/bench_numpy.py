"""The XOR sweep of examples/xor_mlp.c in NumPy: bench_numpy.py prints the seconds of all 120 runs of 3000 epochs,
scaled up from one seed and the first epochs of each activation and scale.

Net 2-16-16-1 without framework, full-batch gradient descent, and each epoch's metrics: losses, accuracies, percentiles
of |z| and |phi'| by np.percentile, rates, gradient norms, made into CSV lines of 7 digits. In float32 and float64;
the faster counts.
"""
import os
import sys
import time

import numpy as np

ACTIVATIONS = {  # value, derivative, and where the value is within 5 % of its limits
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype), lambda z, h: z <= 0),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, lambda z, h: np.abs(h) > 0.95),
    "arctan": (np.arctan, lambda z: 1 / (1 + z * z), lambda z, h: np.abs(h) > 0.95 * np.pi / 2),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2, lambda z, h: np.abs(h) > 0.95),
}
WIDTHS = (2, 16, 16, 1)


def make_data(rng, real):
    x = rng.uniform(-1, 1, (300, 2))
    y = (x[:, :1] * x[:, 1:] < 0).astype(real)
    x = (x + rng.normal(0, 0.1, x.shape)).astype(real)
    order = rng.permutation(300)
    return x[order[:225]], y[order[:225]], x[order[225:]], y[order[225:]]


def forward(weights, biases, act, x):
    zs, hs = [], [x]
    for w, b in zip(weights, biases):
        zs.append(hs[-1] @ w + b)
        hs.append(act(zs[-1]))
    return zs, hs, 1 / (1 + np.exp(-zs[-1]))


def loss_and_accuracy(p, y):
    q = np.clip(p, 1e-7, 1 - 1e-7)
    return -np.mean(y * np.log(q) + (1 - y) * np.log(1 - q)), np.mean((p >= 0.5) == (y > 0.5))


def signals(zs, hs, slope, limit):
    z = np.concatenate([v.ravel() for v in zs[:-1]])
    h = np.concatenate([v.ravel() for v in hs[1:-1]])
    z_abs, d = np.abs(z), np.abs(slope(z))
    p10, p01 = np.percentile(d, [10, 1])
    return [np.mean(d < 1e-3), d.mean(), p10, p01, np.log(d + 1e-12).mean(), z_abs.mean(), np.percentile(z_abs, 90),
            np.mean(z_abs <= 0.1), np.mean(limit(z, h))]


def train(rng, activation, scale, epochs, real):
    act, slope, limit = ACTIVATIONS[activation]
    x, y, test_x, test_y = make_data(rng, real)
    weights = [(scale * np.sqrt(2 / (i + o)) * rng.normal(size=(i, o))).astype(real)
               for i, o in zip(WIDTHS[:-1], WIDTHS[1:])]
    biases = [np.zeros(o, real) for o in WIDTHS[1:]]
    rows = []
    for _ in range(epochs):
        row = list(loss_and_accuracy(forward(weights, biases, act, test_x)[2], test_y))
        zs, hs, p = forward(weights, biases, act, x)
        row += loss_and_accuracy(p, y)
        delta, gradients = (p - y) / real(len(x)), []
        for l in reversed(range(len(weights))):
            gradients.append((hs[l].T @ delta, delta.sum(axis=0)))
            if l > 0:
                delta = (delta @ weights[l].T) * slope(zs[l - 1])
        row += signals(zs, hs, slope, limit)
        for l, (dw, db) in enumerate(reversed(gradients)):
            norm = np.sqrt((dw * dw).sum())
            row += [norm, norm / np.sqrt(dw.size)]
            weights[l] -= real(0.05) * dw
            biases[l] -= real(0.05) * db
        rows.append(row)
    np.savetxt(os.devnull, rows, "%.7g", ",")


def sweep(epochs, real):
    start = time.perf_counter()
    for activation in ACTIVATIONS:
        for scale in (0.5, 1, 2):
            train(np.random.default_rng(1), activation, scale, epochs, real)
    return time.perf_counter() - start


def main():
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 150
    sweep(10, np.float32)
    print("%.3f" % (min(sweep(epochs, real) for real in (np.float32, np.float64)) * 10 * 3000 / epochs))


main()
