"""The workloads of tests/bench.c in PyTorch.

bench_torch.py about THREADS          version, and how fast its BLAS multiplies
bench_torch.py NAME THREADS choose    the options with which PyTorch does NAME fastest here, out of Adam's two
                                      implementations and, for images, two memory layouts, with and without oneDNN
bench_torch.py NAME THREADS OPTIONS   the seconds it took, and the MB of the process

PyTorch at its best: all tensors preloaded and normalised, batches by index, no DataLoader, no augmentation.
"""
import itertools
import resource
import sys
import time

import torch
from torch import nn


def mlp(widths):
    layers = []
    for i, o in zip(widths[:-2], widths[1:-1]):
        layers += [nn.Linear(i, o), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


def conv(i, o, act, norm=False, pool=True):
    return [nn.Conv2d(i, o, 3, padding=1)] + [nn.BatchNorm2d(o)] * norm + [act()] + [nn.MaxPool2d(2)] * pool


def cnn():
    return nn.Sequential(*conv(3, 32, nn.ReLU), *conv(32, 64, nn.ReLU), *conv(64, 128, nn.ReLU),
                         *conv(128, 128, nn.ReLU, pool=False), nn.Flatten(), nn.Linear(2048, 10))


def bn_cnn(act):
    return nn.Sequential(*conv(3, 32, act, True), *conv(32, 64, act, True), *conv(64, 128, act, True), nn.Flatten(),
                         nn.Linear(2048, 256), act(), nn.Dropout(0.3), nn.Linear(256, 10))


class Work:
    def __init__(self, make, batch, samples, shape, per_tensor, warm):
        self.make, self.batch, self.samples, self.shape = make, batch, samples, shape
        self.per_tensor, self.warm = per_tensor, warm
        self.images = len(shape) == 3


WORKS = {
    "practical": Work(lambda: mlp([784, 256, 128, 10]), 64, 60000, (784,), False, 100),
    "deep": Work(lambda: mlp([784] + 21 * [128] + [10]), 128, 60000, (784,), True, 50),
    "cnn": Work(cnn, 128, 3840, (3, 32, 32), True, 5),
    "bn_relu": Work(lambda: bn_cnn(nn.ReLU), 128, 3840, (3, 32, 32), True, 5),
    "bn_swish": Work(lambda: bn_cnn(nn.SiLU), 128, 3840, (3, 32, 32), True, 5),
}


def epoch(work, net, adam, x, y, steps):
    loss_of = nn.CrossEntropyLoss()
    order = torch.randperm(len(x))
    start = time.perf_counter()
    for step in range(min(steps, (len(x) + work.batch - 1) // work.batch)):
        index = order[step * work.batch:(step + 1) * work.batch]
        loss = loss_of(net(x[index]), y[index])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        norms = torch.stack([p.grad.norm() for p in net.parameters()])
        norms.tolist() if work.per_tensor else norms.norm().item()
        adam.step()
        loss.item()
    return time.perf_counter() - start


def run(work, x, y, options, warm, steps):
    torch.manual_seed(1)
    torch.backends.mkldnn.set_flags("no_onednn" not in options)
    net = work.make()
    if "channels_last" in options:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, foreach="foreach" in options)
    epoch(work, net, adam, x, y, warm)
    return epoch(work, net, adam, x, y, steps)


def curve(x, y, options):
    """The largest eigenvalue of the practical's Hessian to 1 %: Lanczos with full reorthogonalisation, as gf_hessian_top,
    on products by torch.func (forward over reverse) or, where that is not there, by two backward passes."""
    torch.manual_seed(1)
    net = WORKS["practical"].make()
    params = {name: p.detach() for name, p in net.named_parameters()}
    shapes = [p.shape for p in params.values()]

    def loss(*p):
        z = torch.func.functional_call(net, dict(zip(params, p)), (x,)) if options == "func" else net(x)
        return nn.functional.cross_entropy(z, y)

    def split(v):
        return tuple(part.view(shape) for part, shape in zip(v.split([s.numel() for s in shapes]), shapes))

    def product(v):
        if options == "func":
            gradient = torch.func.grad(loss, argnums=tuple(range(len(shapes))))
            parts = torch.func.jvp(gradient, tuple(params.values()), split(v))[1]
        else:
            gradient = torch.autograd.grad(loss(), list(net.parameters()), create_graph=True)
            parts = torch.autograd.grad(gradient, list(net.parameters()), split(v))
        return torch.cat([part.reshape(-1) for part in parts])

    start = time.perf_counter()
    q = torch.randn(sum(s.numel() for s in shapes))
    q = q / q.norm() + torch.cat([g.reshape(-1) for g in torch.autograd.grad(
        nn.functional.cross_entropy(net(x), y), list(net.parameters()))])
    basis, t = [q / q.norm()], torch.zeros(101, 101, dtype=torch.float64)
    for j in range(100):
        w = product(basis[j])
        t[j, j] = w @ basis[j]
        for _ in range(2):
            for q in basis:
                w = w - (q @ w) * q
        values, vectors = torch.linalg.eigh(t[:j + 1, :j + 1])
        if w.norm() * vectors[-1, -1].abs() <= min(0.01, 0.1 / len(w) ** 0.5) * values.abs().max():
            break
        t[j, j + 1] = t[j + 1, j] = w.norm()
        basis.append(w / w.norm())
    return time.perf_counter() - start


def about(threads):
    a = torch.rand(1024, 1024)
    a @ a
    start = time.perf_counter()
    for _ in range(5):
        a @ a
    speed = 5 * 2 * 1024 ** 3 / (time.perf_counter() - start) * 1e-9
    print("PyTorch %s on %d of its threads: its BLAS multiplies 1024x1024 at %.0f GFLOP/s" %
          (torch.__version__, threads, speed))
    if speed < 20:
        print("that is a reference BLAS: install libopenblas0-pthread for a fair comparison")


def choose(work, x, y):
    """Every set of options for a few steps; the fastest."""
    layouts, libraries = ["contiguous", "channels_last"], ["onednn", "no_onednn"]
    kinds = 2 if work.images else 1
    sets = itertools.product(["for_loop", "foreach"], layouts[:kinds], libraries[:kinds])
    return min(sets, key=lambda options: run(work, x, y, options, 1, 3 if work.images else 200))


def main():
    name, threads, options = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    torch.set_num_threads(threads)
    if name == "about":
        return about(threads)
    if name == "curve":
        x, y = torch.rand(2000, 784) * 2 - 1, torch.randint(0, 10, (2000,))
        if options == ["choose"]:
            print("func" if hasattr(torch, "func") else "backward")
        else:
            curve(x[:50], y[:50], options[0])
            print("%.5f %.1f" % (curve(x, y, options[0]), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
        return
    work = WORKS[name]
    x, y = torch.rand(work.samples, *work.shape) * 2 - 1, torch.randint(0, 10, (work.samples,))
    if options == ["choose"]:
        print(",".join(choose(work, x, y)))
        return
    seconds = run(work, x, y, options[0].split(","), work.warm, 10 ** 9)
    if work.images:
        seconds /= work.samples // work.batch
    print("%.5f %.1f" % (seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


main()
