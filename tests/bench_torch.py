"""The workloads of tests/bench.c in PyTorch: bench_torch.py NAME THREADS prints the seconds it took.

PyTorch at its best: all tensors preloaded and normalised, batches by index, no DataLoader, and whichever of Adam's two
implementations is the faster here.
"""
import sys
import time

import torch
from torch import nn


def mlp(widths):
    layers = []
    for i, o in zip(widths[:-2], widths[1:-1]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


def epoch(net, adam, x, y, batch, per_tensor, steps):
    loss_of = nn.CrossEntropyLoss()
    order = torch.randperm(len(x))
    start = time.perf_counter()
    for step in range(min(steps, (len(x) + batch - 1) // batch)):
        index = order[step * batch:(step + 1) * batch]
        loss = loss_of(net(x[index]), y[index])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        norms = torch.stack([p.grad.norm() for p in net.parameters()])
        norms.tolist() if per_tensor else norms.norm().item()
        adam.step()
        loss.item()
    return time.perf_counter() - start


def main():
    name, threads = sys.argv[1], int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    if name == "about":
        a = torch.rand(1024, 1024)
        start = time.perf_counter()
        for _ in range(5):
            a @ a
        speed = 5 * 2 * 1024 ** 3 / (time.perf_counter() - start) * 1e-9
        print("PyTorch %s, its BLAS multiplies at %.0f GFLOP/s with %d thread" % (torch.__version__, speed, threads))
        if speed < 20:
            print("that is a reference BLAS: install libopenblas0-pthread for a fair comparison")
        return
    widths, batch, per_tensor = {"practical": ([784, 256, 128, 10], 64, False),
                                 "deep": ([784] + 21 * [128] + [10], 128, True)}[name]
    x, y = torch.rand(60000, widths[0]) * 2 - 1, torch.randint(0, 10, (60000,))
    best = None
    for foreach in (False, True):
        net = mlp(widths)
        adam = torch.optim.Adam(net.parameters(), lr=1e-3, foreach=foreach)
        epoch(net, adam, x, y, batch, per_tensor, 50)
        quick = epoch(net, adam, x, y, batch, per_tensor, 100)
        if best is None or quick < best[0]:
            best = (quick, net, adam)
    print("%.4f" % epoch(best[1], best[2], x, y, batch, per_tensor, 10 ** 9))


main()
