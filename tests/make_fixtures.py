#!/usr/bin/python3
"""Write tests/fixtures/pytorch.csv and percentile.csv: what PyTorch and NumPy compute for nets that C tests rebuild.

Weights, inputs and targets are not stored: both sides take them from one integer hash (value() here, fixture.h in C).
Made with PyTorch 1.13 and NumPy 1.24 in double:   python3 tests/make_fixtures.py
A tensor is written as  name,n,sum,l2,samples...  with at most 10 samples at the indices k*n/10.
"""
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    """splitmix64's step, for an int."""
    z = (z + GOLDEN) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def mix_array(z):
    """The same for an array of uint64."""
    z = z + np.uint64(GOLDEN)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def bits(tensor, n):
    """64 random bits for each of the n elements of tensor number `tensor`."""
    return mix_array(np.uint64(mix(tensor)) + np.arange(n, dtype=np.uint64))


def value(tensor, n, width=16):
    """n odd multiples of 2^-width in (-1, 1): exact in float, never 0."""
    high = (bits(tensor, n) >> np.uint64(64 - width)).astype(np.float64)
    return (2 * high + 1 - 2.0 ** width) / 2.0 ** width


def labels_of(tensor, n, classes):
    return torch.tensor((bits(tensor, n) >> np.uint64(33)).astype(np.int64) % classes)


def halving(fan_in):
    """The power of two next below or at 1/sqrt(fan_in)."""
    k = 0
    while 4 ** k < fan_in:
        k += 1
    return 2.0 ** -k


def library_uniform(seed, stream, n):
    """gf_random_uniform(seed, stream, 0..n-1): the library's own generator, for dropout's mask."""
    key = mix((mix(seed) + (stream + 1) * 0xD1342543DE82EF95 - GOLDEN) & MASK)
    z = mix_array(np.uint64(key) + np.arange(n, dtype=np.uint64) * np.uint64(GOLDEN))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0 ** -53


ACTIVATIONS = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "celu": F.celu,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "arctan": torch.atan,
    "gelu": F.gelu,
    "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
    "silu": F.silu,
    "mish": F.mish,
    "telu": lambda z: z * torch.tanh(torch.exp(z)),
    "hard_sigmoid": lambda z: torch.clamp(z + 3, 0, 6) / 6,  # F.hardsigmoid's backward has 1/6 in float even for double
    "hard_tanh": F.hardtanh,
    "hard_swish": F.hardswish,
    "relu6": F.relu6,
}
WITH_PARAMETER = {
    "leaky_relu": lambda z, a: F.leaky_relu(z, a),
    "elu": lambda z, a: F.elu(z, a),
    "celu": lambda z, a: F.celu(z, a),
    "silu": lambda z, a: z * torch.sigmoid(a * z),
}


class Net:
    """A net from a list of words such as "dense:7 tanh dense:4", parameters in the library's order."""

    SEED = 42  # of the library's net

    def __init__(self, number, inputs, words, scale=1.0):
        self.number, self.words, self.scale = number, words.split(), scale
        self.params, self.names, self.running, self.step = [], [], [], 0
        width, marks, use_bias = inputs, [], True
        for word in self.words:
            kind, _, argument = word.partition(":")
            if kind == "dense":
                self.affine(width, int(argument), use_bias)
                width = int(argument)
            elif kind == "project":
                self.affine(marks[int(argument) - 1], width, False)
            elif kind in ("batch_norm", "layer_norm"):
                self.add(width, "gamma")
                self.add(width, "beta")
                self.running.append([torch.zeros(width), torch.ones(width)])
            elif kind == "prelu":
                self.add(1, "slope")
            elif kind == "mark":
                marks.append(width)
            elif kind == "no_bias":
                use_bias = not int(argument)
        self.outputs = width

    def affine(self, inputs, outputs, use_bias):
        self.add((outputs, inputs), "weight")
        if use_bias:
            self.add(outputs, "bias")

    def add(self, shape, role):
        v = value(self.number + len(self.params), int(np.prod(shape))).reshape(shape)
        if role == "weight":
            v = v * self.scale * halving(shape[1])
        elif role == "gamma":
            v = 1 + v / 2
        elif role == "slope":
            v = 0.25 + v / 8
        else:
            v = v / 2
        self.params.append(torch.tensor(v, requires_grad=True))
        self.names.append(role)

    def forward(self, x, training):
        take = iter(self.params)
        running = iter(self.running)
        marks, use_bias, h, layer = [], True, x, 0
        for word in self.words:
            kind, _, argument = word.partition(":")
            if kind == "dense":
                h = F.linear(h, next(take), next(take) if use_bias else None)
            elif kind == "project":
                h = h + F.linear(marks[int(argument) - 1], next(take))
            elif kind == "add":
                h = h + marks[int(argument) - 1]
            elif kind == "mark":
                marks.append(h)
            elif kind == "no_bias":
                use_bias = not int(argument)
            elif kind == "batch_norm":
                mean, var = next(running)
                h = F.batch_norm(h, mean, var, next(take), next(take), training, 0.1, 1e-5)
            elif kind == "layer_norm":
                next(running)
                h = F.layer_norm(h, h.shape[1:], next(take), next(take), 1e-5)
            elif kind == "dropout":
                h = self.dropout(h, float(argument), layer) if training else h
            elif kind == "prelu":
                h = F.prelu(h, next(take))
            elif argument:
                h = WITH_PARAMETER[kind](h, float(argument))
            else:
                h = ACTIVATIONS[kind](h)
            layer += kind != "no_bias"
        return h

    def dropout(self, h, p, layer):
        u = library_uniform(self.SEED, 4 + 256 * (layer + 4096 * self.step), h.numel())
        keep = torch.tensor((u >= p).astype(np.float64)).reshape(h.shape)
        return h * keep / (1 - p)


def loss_of(kind, z, number):
    """Targets come from the hash; means as PyTorch's defaults."""
    if kind == "ce":
        return F.cross_entropy(z, labels_of(number + 950, z.shape[0], z.shape[1]))
    if kind == "smoothing":
        return F.cross_entropy(z, labels_of(number + 950, z.shape[0], z.shape[1]), label_smoothing=0.125)
    t = torch.tensor(value(number + 950, z.numel())).reshape(z.shape)
    if kind == "huber":
        return F.huber_loss(z, t, delta=0.5)
    if kind == "mae":
        return F.l1_loss(z, t)
    return F.binary_cross_entropy_with_logits(z, (t + 1) / 2) if kind == "bce" else F.mse_loss(z, t)


def inputs_of(number, batch, inputs, scale=1.0, width=16):
    return torch.tensor(value(number, batch * inputs, width).reshape(batch, inputs) * scale)


out = []


def text(v):
    return "0" if v == 0 else "%.17g" % v


def write(*fields):
    out.append(",".join(f if isinstance(f, str) else str(f) if isinstance(f, int) else text(f) for f in fields))


def write_gradients(net, x, z, loss):
    """Loss, output and what backward makes of them: the gradients of the input and of every parameter."""
    loss.backward()
    write("loss", loss.item())
    write_tensor("output", z)
    write_tensor("input_gradient", x.grad)
    floor = 1e-13 * max(float(p.grad.norm()) for p in net.params)
    for name, p in zip(net.names, net.params):
        write_tensor(name, p.grad, floor)


def write_tensor(name, tensor, floor=0.0):
    """Below `floor` PyTorch's value is the rounding noise of an exact 0, as of a bias before batch norm."""
    flat = tensor.detach().numpy().ravel()
    if np.linalg.norm(flat) <= floor:
        flat = np.zeros_like(flat)
    count = min(len(flat), 10)
    samples = [float(flat[k * len(flat) // count]) for k in range(count)]
    write(name, len(flat), float(math.fsum(flat)), float(np.linalg.norm(flat)), *samples)


case_count = 0


def case(name, words, loss="ce", inputs=6, batch=5, mode="train", warm=0, scale=1.0, xscale=1.0, width=16):
    """One forward and backward; before it `warm` forwards in training mode, which move running statistics."""
    global case_count
    case_count += 1
    number = 1000 * case_count
    write("case", name, number, words, loss, inputs, batch, mode, warm, scale, xscale, width)
    net = Net(number, inputs, words, scale)
    for k in range(warm):
        net.forward(inputs_of(number + 901 + k, batch, inputs, xscale, width), True)
    x = inputs_of(number + 900, batch, inputs, xscale, width).requires_grad_()
    z = net.forward(x, mode == "train")
    value_of_loss = loss_of(loss, z, number)
    write_gradients(net, x, z, value_of_loss)


def optimiser(name, make, fields, clip=0.0, schedule="none", steps=20, frozen="", part=16):
    """20 steps on a small net, the same batch of 16 each time, in parts of `part`; all of layer `frozen` keeps still."""
    global case_count
    case_count += 1
    number = 1000 * case_count
    write("optimiser", name, number, *fields, clip, schedule, *([frozen, part] if frozen or part < 16 else []))
    net = Net(number, 6, "dense:8 tanh dense:4")
    for p in net.params[:2] if frozen == "dense1" else []:
        p.requires_grad_(False)
    optim = make(net.params)
    scheduler = None
    if schedule == "step":
        scheduler = torch.optim.lr_scheduler.StepLR(optim, step_size=6, gamma=0.5)
    elif schedule == "cosine":
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optim, T_max=steps, eta_min=0.001)
    x = inputs_of(number + 900, 16, 6)
    losses, norms = [], []
    for _ in range(steps):
        optim.zero_grad()
        loss = 0
        labels = labels_of(number + 950, 16, 4)
        for at in range(0, 16, part):
            few = x[at:at + part]
            mean = F.cross_entropy(net.forward(few, True), labels[at:at + part])
            (mean * (len(few) / 16)).backward()
            loss = loss + mean.detach() * (len(few) / 16)
        if clip:
            norms.append(float(torch.nn.utils.clip_grad_norm_(net.params, clip)))
        else:
            norms.append(float(torch.cat([p.grad.ravel() for p in net.params if p.grad is not None]).norm()))
        optim.step()
        if scheduler:
            scheduler.step()
        losses.append(loss.item())
    write("losses", *losses)
    write("norms", *norms)
    for role, p in zip(net.names, net.params):
        write_tensor(role, p)


def digits(step, batch=64):
    """A batch of the training run: one of ten hashed prototypes of 784 pixels, faint under hashed noise."""
    labels = labels_of(2000000 + step, batch, 10)
    x = value(1000000 + step, batch * 784).reshape(batch, 784)
    prototypes = value(3000000, 10 * 784).reshape(10, 784)
    return torch.tensor(x + prototypes[labels.numpy()] / 8), labels


def training_run(activation, steps=200):
    """The practical's net under Adam: loss and global gradient norm of every step."""
    net = Net(4000000, 784, "dense:256 %s dense:128 %s dense:10" % (activation, activation))
    optim = torch.optim.Adam(net.params, lr=1e-3)
    losses, norms = [], []
    for step in range(steps):
        x, labels = digits(step)
        optim.zero_grad()
        loss = F.cross_entropy(net.forward(x, True), labels)
        loss.backward()
        norms.append(float(torch.cat([p.grad.ravel() for p in net.params]).norm()))
        optim.step()
        losses.append(loss.item())
    write("train", activation, steps)
    write("losses", *losses)
    write("norms", *norms)


def all_cases():
    for name in list(ACTIVATIONS) + ["leaky_relu:0.2", "elu:0.5", "celu:2", "silu:1.7", "prelu"]:
        case("activation %s" % name, "dense:7 %s dense:4" % name)
        case("activation %s large inputs" % name, "dense:7 %s dense:4" % name, xscale=8.0)
    case("dense alone", "dense:4")
    case("dense no bias", "no_bias:1 dense:7 tanh no_bias:0 dense:4")
    case("dense odd widths", "dense:37 tanh dense:19 tanh dense:3", inputs=53, batch=13)
    case("dense one sample", "dense:17 tanh dense:3", inputs=65, batch=1)
    for mode in ("train", "eval"):
        case("dropout %s" % mode, "dense:20 tanh dropout:0.3 dense:4", mode=mode)
        case("dropout on the input %s" % mode, "dropout:0.5 dense:9 relu dropout:0.25 dense:4", mode=mode)
        case("batch_norm %s" % mode, "dense:7 batch_norm tanh dense:4", mode=mode, warm=3)
        case("batch_norm of two samples %s" % mode, "dense:7 batch_norm tanh dense:4", batch=2, mode=mode, warm=3)
        case("batch_norm on the input %s" % mode, "batch_norm dense:7 relu batch_norm dense:4", mode=mode, warm=2)
        case("layer_norm %s" % mode, "dense:7 layer_norm tanh dense:4", mode=mode)
    case("residual", "dense:6 tanh mark dense:6 tanh add:1 dense:4")
    case("residual from the input", "mark dense:6 gelu add:1 dense:4")
    case("residuals that overlap", "mark dense:6 tanh mark dense:6 tanh add:1 dense:6 tanh add:2 add:1 dense:4")
    case("residual around nothing", "dense:6 mark add:1 tanh dense:4")
    case("residual projected", "dense:6 tanh mark dense:9 tanh project:1 dense:4")
    case("residual projected from the input", "mark dense:9 relu project:1 dense:4")
    case("mixed", "dense:8 layer_norm gelu dropout:0.2 mark dense:8 batch_norm silu add:1 dense:5 prelu dense:3",
         batch=7)
    for loss in ("bce", "mse"):
        case("%s" % loss, "dense:7 tanh dense:3", loss)
        case("%s one output" % loss, "dense:7 tanh dense:1", loss)
    for loss in ("ce", "bce", "mse"):
        case("%s extreme outputs" % loss, "dense:5", loss, xscale=2048.0, width=8)
    optimiser_cases()
    for activation in ("sigmoid", "tanh", "relu"):
        training_run(activation)
    for loss in ("smoothing", "huber", "mae"):
        case("%s" % loss, "dense:7 tanh dense:3", loss, xscale=4.0)
    kept_cases()


def optimiser_cases():
    """Fields: kind, lr, weight decay, momentum, nesterov."""
    o = torch.optim

    def sgd(lr=0.1, wd=0.0, momentum=0.0, nesterov=0):
        return (lambda p: o.SGD(p, lr, momentum, 0, wd, bool(nesterov))), ("sgd", lr, wd, momentum, nesterov)

    def adam(kind, make, lr=0.01, wd=0.0):
        return (lambda p: make(p, lr, weight_decay=wd)), (kind, lr, wd, 0.0, 0)

    def rmsprop(lr=0.01, wd=0.0, momentum=0.0):
        return (lambda p: o.RMSprop(p, lr, weight_decay=wd, momentum=momentum)), ("rmsprop", lr, wd, momentum, 0)

    optimiser("sgd", *sgd())
    optimiser("sgd weight decay", *sgd(wd=0.05))
    optimiser("sgd momentum", *sgd(momentum=0.9))
    optimiser("sgd momentum weight decay", *sgd(momentum=0.8, wd=0.02))
    optimiser("sgd nesterov", *sgd(momentum=0.9, nesterov=1))
    optimiser("sgd nesterov weight decay", *sgd(momentum=0.9, wd=0.01, nesterov=1))
    optimiser("adam", *adam("adam", o.Adam))
    optimiser("adam weight decay", *adam("adam", o.Adam, wd=0.1))
    optimiser("adamw", *adam("adamw", o.AdamW, wd=0.01))
    optimiser("adamw weight decay", *adam("adamw", o.AdamW, wd=0.2))
    optimiser("rmsprop", *rmsprop())
    optimiser("rmsprop momentum weight decay", *rmsprop(momentum=0.7, wd=0.05))
    optimiser("sgd clipped", *sgd(lr=0.5), clip=0.125)
    optimiser("adam clip never reached", *adam("adam", o.Adam), clip=1024.0)
    optimiser("sgd momentum clipped", *sgd(momentum=0.9), clip=0.25)
    optimiser("sgd StepLR", *sgd(momentum=0.9), schedule="step")
    optimiser("adam CosineAnnealingLR", *adam("adam", o.Adam, 0.05), schedule="cosine")


def kept_cases():
    """Layers that keep still, and batches that come in parts."""
    def sgd(p):
        return torch.optim.SGD(p, 0.1, 0.9, 0, 0.05)

    def adam(p):
        return torch.optim.AdamW(p, 0.01, weight_decay=0.1)

    optimiser("sgd frozen clipped", sgd, ("sgd", 0.1, 0.05, 0.9, 0), clip=0.125, frozen="dense1")
    optimiser("adamw frozen", adam, ("adamw", 0.01, 0.1, 0.0, 0), frozen="dense1")
    optimiser("sgd in parts", sgd, ("sgd", 0.1, 0.05, 0.9, 0), part=7)
    optimiser("adamw in parts clipped", adam, ("adamw", 0.01, 0.1, 0.0, 0), clip=0.125, part=4)


def percentiles():
    """n, then the percentiles of |x| at P of n hashed values of mixed magnitude."""
    rows = []
    for n in (1, 2, 3, 5, 10, 11, 100, 101, 1000, 4097):
        x = value(5000000 + n, n) * np.exp2((bits(6000000 + n, n) % np.uint64(12)).astype(np.float64) - 8)
        rows.append([str(n)] + [text(v) for v in np.percentile(np.abs(x), [0, 1, 10, 25, 50, 90, 99, 99.5, 100])])
    return [",".join(row) for row in rows]


if __name__ == "__main__":
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    all_cases()
    for name, lines in (("pytorch.csv", out), ("percentile.csv", percentiles())):
        with open(os.path.join(folder, name), "w") as f:
            f.write("\n".join(lines) + "\n")
