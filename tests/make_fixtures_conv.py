#!/usr/bin/python3
"""Write tests/fixtures/conv.csv: what PyTorch computes for the convolutional nets that tests/test_conv.c rebuilds.

As in make_fixtures.py: weights, inputs and labels come from the integer hash, a tensor is written as
name,n,sum,l2,samples...  Made with PyTorch 1.13 in double:   python3 tests/make_fixtures_conv.py
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

import make_fixtures as base
from make_fixtures import halving, labels_of, library_uniform, value, write, write_gradients, write_tensor

SEED = 42  # of the library's nets
ACTIVATIONS = dict(base.ACTIVATIONS, swish=F.silu)


def pair(word):
    """'3x2' -> (3, 2), '3' -> (3, 3)"""
    sides = [int(side) for side in word.split("x")]
    return (sides[0], sides[-1])


class Net:
    """Words such as "conv:8:3x3:1:1 relu max:2:2 dense:10", parameters in the library's order from the hash."""

    def __init__(self, number, shape, words):
        self.number, self.words = number, words.split()
        self.params, self.names, self.running, self.step = [], [], [], 0
        self.scale = 1
        with torch.no_grad():
            self.run(torch.zeros(2, *shape), False, True)

    def add(self, name, shape):
        v = value(self.number + len(self.params), int(np.prod(shape))).reshape(shape)
        if name == "weight":
            self.scale = halving(int(np.prod(shape[1:])))
        if name in ("weight", "bias"):
            v = v * self.scale
        else:
            v = 1 + v / 2 if name == "gamma" else v / 2
        self.params.append(torch.tensor(v, requires_grad=True))
        self.names.append(name)

    def layer(self, index, kind, args, h, marks, training, build, take):
        """One layer; while building it first makes the layer's parameters."""
        if kind == "conv":
            kernel, stride, padding = pair(args[1]), pair(args[2]), pair(args[3])
            if build:
                self.add("weight", (int(args[0]), h.shape[1]) + kernel)
                self.add("bias", (int(args[0]),))
            return F.conv2d(h, take(), take(), stride, padding)
        if kind == "dense":
            h = h.flatten(1)
            if build:
                self.add("weight", (int(args[0]), h.shape[1]))
                self.add("bias", (int(args[0]),))
            return F.linear(h, take(), take())
        if kind == "batch_norm":
            if build:
                self.add("gamma", (h.shape[1],))
                self.add("beta", (h.shape[1],))
                self.running.append([index, torch.zeros(h.shape[1]), torch.ones(h.shape[1])])
            mean, var = next(r[1:] for r in self.running if r[0] == index)
            return F.batch_norm(h, mean, var, take(), take(), training, 0.1, 1e-5)
        if kind == "project":
            h0 = marks[int(args[0]) - 1]
            if build:
                self.add("weight", (h.shape[1], h0.shape[1], 1, 1))
            return h + F.conv2d(h0, take(), stride=int(args[1]))
        if kind == "add":
            return h + marks[int(args[0]) - 1]
        if kind == "max":
            return F.max_pool2d(h, int(args[0]), int(args[1]))
        if kind == "avg":
            return F.avg_pool2d(h, int(args[0]), int(args[1]))
        if kind == "global":
            return F.adaptive_avg_pool2d(h, 1)
        if kind == "dropout":
            return self.dropout(h, float(args[0]), index) if training else h
        return ACTIVATIONS[kind](h)

    def dropout(self, h, p, index):
        u = library_uniform(SEED, 4 + 256 * (index + 4096 * self.step), h.numel())
        return h * torch.tensor(u >= p).reshape(h.shape).to(h.dtype) / (1 - p)

    def run(self, h, training, build=False):
        marks, used = [], [0]

        def take():
            used[0] += 1
            return self.params[used[0] - 1]

        for index, word in enumerate(self.words):
            kind, *args = word.split(":")
            if kind == "mark":
                marks.append(h)
            else:
                h = self.layer(index, kind, args, h, marks, training, build, take)
        return h.flatten(1)


count = 0


def images(tensor, batch, shape):
    return torch.tensor(value(tensor, batch * int(np.prod(shape))).reshape((batch,) + shape))


def case(words, shape, batch=3, mode="train", warm=0):
    global count
    count += 1
    number = 7000000 + 1000 * count
    write("case", number, words, *shape, batch, mode, warm)
    net = Net(number, shape, words)
    for k in range(warm):
        net.run(images(number + 901 + k, batch, shape), True)
    x = images(number + 900, batch, shape).requires_grad_()
    z = net.run(x, mode == "train")
    write_gradients(net, x, z, F.cross_entropy(z, labels_of(number + 950, batch, z.shape[1])))
    for _, mean, var in net.running:
        write_tensor("running_mean", mean)
        write_tensor("running_var", var)


def batch_of(step, batch):
    """Ten faint hashed prototypes under hashed noise."""
    labels = labels_of(2100000 + step, batch, 10)
    x = value(1100000 + step, batch * 3072).reshape(batch, 3, 32, 32)
    prototypes = value(3100000, 10 * 3072).reshape(10, 3, 32, 32)
    return torch.tensor(x + prototypes[labels.numpy()] / 4), labels


def losses_and_norms(words, number, steps, batch, dtype):
    net = Net(number, (3, 32, 32), words)
    net.params = [p.detach().to(dtype).requires_grad_() for p in net.params]
    net.running = [[r[0], r[1].to(dtype), r[2].to(dtype)] for r in net.running]
    optim = torch.optim.Adam(net.params, lr=1e-3)
    losses, norms = [], []
    for step in range(steps):
        net.step = step
        x, labels = batch_of(step, batch)
        optim.zero_grad()
        loss = F.cross_entropy(net.run(x.to(dtype), True), labels)
        loss.backward()
        norms.append(float(torch.cat([p.grad.ravel() for p in net.params]).norm()))
        optim.step()
        losses.append(loss.item())
    return np.array(losses), np.array(norms)


def training_run(words, number, steps=30, batch=32):
    """Losses and norms in double, and how far PyTorch's own float run has been from them by then. One value of a million
    that rounding takes across relu's kink or past its rival in a pool's window changes the gradient by parts in a
    thousand, and the runs part; the numbers are of weights for which this happens late."""
    double, single = (losses_and_norms(words, number, steps, batch, d) for d in (torch.float64, torch.float32))
    write("train", words, number, steps, batch)
    for name, right, near in zip(("losses", "norms"), double, single):
        write(name, *[float(v) for v in right])
        write(name + "_float_error", *["%.2g" % v for v in np.maximum.accumulate(abs(near - right) / right)])


CNN = " ".join("conv:%d:3:1:1 %%s max:2:2" % n for n in (32, 64, 128)) + " conv:128:3:1:1 %s dense:10"
BN_CNN = " ".join("conv:%d:3:1:1 batch_norm %%s max:2:2" % n for n in (32, 64, 128)) + " dense:256 %s dropout:0.3 dense:10"


def all_cases():
    for window in ("3:1:1", "3:1:0", "1:1:0", "2:2:0", "3:2:1", "5:1:2", "3x1:1:1x0", "1x4:2x3:0x2", "4x3:3x2:2x1", "7x5:1:3x2"):
        case("conv:5:%s dense:4" % window, (3, 9, 7))
    case("conv:17:3:1:1 tanh conv:9:3:2:1 tanh dense:3", (19, 6, 11), 9)
    case("conv:16:3:1:1 relu max:2:2 conv:32:3:1:1 relu max:2:2 dense:4", (3, 16, 16), 5)
    case("conv:4:3:1:1 max:2:2 dense:4", (2, 7, 9))
    case("conv:4:3:1:1 max:3:2 dense:4", (2, 8, 9))
    case("conv:4:3:1:1 max:2:1 dense:4", (2, 5, 6))
    case("conv:4:3:1:1 avg:2:2 dense:4", (2, 7, 9))
    case("avg:3:2 conv:4:3:1:1 tanh dense:4", (2, 9, 8))
    case("conv:6:3:1:1 silu global dense:4", (2, 5, 7))
    for mode in ("train", "eval"):
        case("conv:5:3:1:1 batch_norm relu max:2:2 conv:7:3:1:1 batch_norm silu dense:4", (3, 8, 6), 4, mode, 3)
        case("batch_norm conv:5:3:2:1 tanh dense:6 batch_norm tanh dense:3", (2, 9, 9), 6, mode, 2)
        case("conv:6:3:1:1 relu dropout:0.3 dense:4", (2, 5, 5), 3, mode)
    case("conv:6:3:1:1 tanh mark conv:6:3:1:1 tanh add:1 dense:4", (2, 6, 5))
    case("conv:6:3:1:1 tanh mark conv:9:3:1:1 tanh project:1:1 dense:4", (2, 6, 5))
    case("conv:6:3:1:1 tanh mark conv:8:3:2:1 batch_norm tanh conv:8:3:1:1 project:1:2 tanh global dense:4", (3, 9, 8), 4)
    case("mark conv:4:3:3:1 project:1:3 tanh dense:3", (2, 10, 7))
    training_runs()


def training_runs():
    for act, number in (("relu", 4103000), ("sigmoid", 4100000)):
        training_run(CNN % ((act,) * 4), number)
    for act, number in (("relu", 4108000), ("swish", 4102000)):
        training_run(BN_CNN % ((act,) * 4), number)


if __name__ == "__main__":
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    all_cases()
    with open(os.path.join(folder, "conv.csv"), "w") as f:
        f.write("\n".join(base.out) + "\n")
