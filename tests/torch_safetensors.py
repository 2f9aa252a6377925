#!/usr/bin/env python3
"""Nets between PyTorch and gradflow by safetensors files, in both directions.

    torch_safetensors.py fixtures        writes tests/fixtures/*.safetensors and safetensors.csv for test_safetensors.c
                                         (made with PyTorch 2.15 and the package safetensors 0.8, by its save_file)
    torch_safetensors.py check PROGRAM   PROGRAM is test_safetensors: PyTorch loads what gradflow saves, gradflow loads
                                         what PyTorch saves, and both compute the same to 1e-6
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from torch import nn


class BatchNormCnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 5, 3, stride=2)
        self.bn2 = nn.BatchNorm2d(5)
        self.slope = nn.PReLU()
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        h = torch.relu(self.bn1(self.conv1(x)))
        h = self.slope(self.bn2(self.conv2(h)))
        return self.head(h.mean((2, 3)))


class ResidualMlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 5)
        self.norm = nn.LayerNorm(8)
        self.skip = nn.Linear(8, 5, bias=False)
        self.fc4 = nn.Linear(5, 3)

    def forward(self, x):
        h = torch.relu(self.fc1(x))
        h = h + torch.tanh(self.norm(self.fc2(h)))
        h = torch.tanh(self.fc3(h)) + self.skip(h)
        return self.fc4(h)


def lenet():
    return nn.Sequential(nn.Conv2d(1, 3, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(3, 4, 3), nn.Tanh(), nn.AvgPool2d(2),
                         nn.Flatten(), nn.Linear(16, 10), nn.Tanh(), nn.Linear(10, 5))


MODELS = {"lenet": (lenet, (1, 16, 16), torch.float32), "bn_cnn": (BatchNormCnn, (2, 6, 6), torch.float64),
          "residual": (ResidualMlp, (6,), torch.float32)}
BATCH = 4


def inputs(shape):
    """The numbers that test_safetensors.c takes: x_i = ((37·i) mod 101)/50 - 1."""
    n = BATCH * int(torch.tensor(shape).prod())
    return (((37 * torch.arange(n)) % 101).double() / 50 - 1).reshape(BATCH, *shape)


def model(name, seed):
    """A model with weights at random, and running statistics as after some training."""
    torch.manual_seed(seed)
    make, shape, dtype = MODELS[name]
    net = make().to(dtype)
    for key, tensor in net.state_dict().items():
        if "running_mean" in key:
            tensor.copy_(torch.randn(tensor.shape) * 0.3)
        elif "running_var" in key:
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
        elif "num_batches" in key:
            tensor.fill_(7)
        elif "norm" in key or "bn" in key:
            tensor.copy_(tensor + torch.randn(tensor.shape) * 0.2)
    return net.eval(), shape, dtype


def forward(net, shape, dtype):
    with torch.no_grad():
        return [float(y) for y in net(inputs(shape).to(dtype)).flatten()]


def fixtures():
    from safetensors.torch import save_file
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures")
    with open(os.path.join(folder, "safetensors.csv"), "w", encoding="utf-8") as file:
        for seed, name in enumerate(MODELS):
            net, shape, dtype = model(name, seed)
            save_file(net.state_dict(), os.path.join(folder, name + ".safetensors"), metadata={"made \"by\"": "PyTorch"})
            file.write(",".join([name] + [repr(y) for y in forward(net, shape, dtype)]) + "\n")


TYPES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}


def read(path):
    """A safetensors file by its definition, without the package."""
    with open(path, "rb") as file:
        raw = file.read()
    length = int.from_bytes(raw[:8], "little")
    header, numbers = json.loads(raw[8:8 + length]), raw[8 + length:]
    header.pop("__metadata__", None)
    return {name: torch.frombuffer(bytearray(numbers[slice(*at["data_offsets"])]), dtype=TYPES[at["dtype"]])
            .reshape(at["shape"]) for name, at in header.items()}


def write(tensors, path):
    header, numbers = {}, b""
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        raw = tensor.contiguous().numpy().tobytes()
        dtype = next(key for key, value in TYPES.items() if value == tensor.dtype)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(numbers), len(numbers) + len(raw)]}
        numbers += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + numbers)


def check(program):
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed, name in enumerate(MODELS):
            path = os.path.join(folder, name)

            def run(what):
                text = subprocess.run([program, what, name, path], capture_output=True, text=True, check=True).stdout
                return [float(word) for word in text.split()]

            def judge(what, ours, theirs):
                off = max(abs(a - b) for a, b in zip(ours, theirs)) if len(ours) == len(theirs) > 0 else float("inf")
                print(f"{'PASS' if off < 1e-6 else 'FAIL'} {name}: {what}" + ("" if off < 1e-6 else f": off by {off:g}"))
                return off >= 1e-6

            net, shape, dtype = model(name, 10 + seed)
            ours = run("save")
            net.load_state_dict(read(path), strict=True)  # every name and shape must be PyTorch's
            failed += judge("PyTorch loads what gradflow saved", ours, forward(net, shape, dtype))
            net, shape, dtype = model(name, 20 + seed)
            write(net.state_dict(), path)
            failed += judge("gradflow loads what PyTorch saved", run("load"), forward(net, shape, dtype))
    return failed


if sys.argv[1:] == ["fixtures"]:
    fixtures()
elif len(sys.argv) == 3 and sys.argv[1] == "check":
    sys.exit(check(sys.argv[2]) > 0)
else:
    sys.exit(__doc__)
