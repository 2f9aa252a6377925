#!/usr/bin/python3
"""Write tests/fixtures/curve.csv: the eigenvalues of PyTorch's full Hessians of the small nets of tests/test_curve.c.

Weights, inputs and targets come from the integer hash of make_fixtures.py; double; automatic differentiation twice.
A line is  name,loss,n,eigenvalues rising.   Made with PyTorch 1.13:   python3 tests/make_fixtures_curve.py
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

from make_fixtures import ACTIVATIONS, labels_of, value

# name, input shape, samples, words, loss, training
CASES = [
    ("mlp", (4, 1, 1), 20, "dense:6 tanh dense:5 gelu dense:3", "cross_entropy", True),
    ("bce", (4, 1, 1), 20, "dense:6 softplus dense:2", "bce", False),
    ("cnn", (2, 6, 6), 12, "conv:3:3 silu avg:2:2 conv:4:2 tanh dense:3", "cross_entropy", True),
    ("batch norm", (4, 1, 1), 24, "dense:6 batch_norm tanh dense:3", "mse", True),
    ("batch norm of channels", (2, 5, 5), 10, "conv:3:3 batch_norm telu dense:3", "cross_entropy", True),
    ("batch norm in evaluation", (4, 1, 1), 24, "dense:6 batch_norm tanh dense:3", "mse", False),
    ("skip", (5, 1, 1), 16, "dense:5 mark tanh dense:5 add:1 mish dense:2", "cross_entropy", True),
    ("relu", (4, 1, 1), 8, "dense:6 relu dense:5 relu dense:3", "cross_entropy", True),
    ("relu and max-pool", (2, 6, 6), 10, "conv:4:3 relu max:2:2 dense:6 hard_tanh dense:3", "cross_entropy", True),
]


def layer(word, h, take, marks, training):
    kind, *args = word.split(":")
    args = [int(a) for a in args]
    if kind == "dense":
        h = h.flatten(1)
        return F.linear(h, take(args[0], h.shape[1]), take(args[0]))
    if kind == "conv":
        return F.conv2d(h, take(args[0], h.shape[1], args[1], args[1]), take(args[0]))
    if kind == "max":
        return F.max_pool2d(h, *args)
    if kind == "avg":
        return F.avg_pool2d(h, *args)
    if kind == "batch_norm":
        gamma, beta = 1 + take(h.shape[1]), take(h.shape[1])
        return F.batch_norm(h, torch.zeros(h.shape[1]), torch.ones(h.shape[1]), gamma, beta, training)
    if kind == "mark":
        marks.append(h)
        return h
    if kind == "add":
        return h + marks[args[0] - 1]
    return ACTIVATIONS[kind](h)


def output(words, weights, x, training):
    """The net's output, and how many of the weights it used."""
    used, marks, h = 0, [], x

    def take(*shape):
        nonlocal used
        used += int(np.prod(shape))
        return weights[used - int(np.prod(shape)):used].reshape(shape)

    for word in words.split():
        h = layer(word, h, take, marks, training)
    return h.flatten(1), used


def loss_of(kind, y, number):
    if kind == "cross_entropy":
        return F.cross_entropy(y, labels_of(number, y.shape[0], y.shape[1]))
    t = torch.tensor(value(number, y.numel())).reshape(y.shape)
    return F.mse_loss(y, t) if kind == "mse" else F.binary_cross_entropy_with_logits(y, (t + 1) / 2)


def main():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    with open(os.path.join(folder, "curve.csv"), "w") as f:
        for i, (name, shape, samples, words, kind, training) in enumerate(CASES):
            number = 7000 + 10 * i
            x = torch.tensor(value(number, samples * int(np.prod(shape)))).reshape(samples, *shape)
            n = output(words, torch.zeros(100000), x, training)[1]
            loss = lambda w: loss_of(kind, output(words, w, x, training)[0], number + 1)
            w = torch.tensor(value(number + 2, n) / 2)
            values = torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, w))
            f.write(",".join([name, "%.17g" % loss(w), str(n)] + ["%.12g" % v for v in values]) + "\n")


main()
