"""Write fixtures/activations.csv: value and derivative of every activation as PyTorch computes them, in double.

use: /usr/bin/python3 tests/make_fixtures_activations.py        (needs PyTorch; the tests themselves read only the CSV)

The derivative is autograd's. Points: the kinks, both sides of them, the middle and the far tails. arctan has no module
in PyTorch (torch.atan is used) and TeLU none at all (Fernandez, Mali 2024: x * tanh(exp x), here left at x beyond 10).
At 3 PyTorch 1.13 gives hard_swish the derivative 1 in whole vectors, as here, and 1.5 in the few elements left over.
"""
import math
import os

import torch
import torch.nn.functional as F

POINTS = [0.0, -0.0, 1e-300, -1e-300, 1e-30, -1e-30, 1e-8, -1e-8, 1e-4, -1e-4, 0.01, -0.01, 0.1, -0.1, 0.25,
          -0.25, 0.5, -0.5, 0.7517916, -0.7517916, 1.0, -1.0, 1.2784645, -1.2784645, 1.5, -1.5, 2.0, -2.0,
          2.5, -2.5, 2.999, -2.999, 3.0, -3.0, 3.001, -3.001, 4.0, -4.0, 5.0, -5.0, 5.999, -5.999, 6.0, -6.0,
          6.001, -6.001, 8.0, -8.0, 10.0, -10.0, 15.0, -15.0, 20.0, -20.0, 20.001, -20.001, 30.0, -30.0,
          50.0, -50.0, 88.0, -88.0, 100.0, -100.0, 1000.0, -1000.0]


def telu(x):
    return torch.where(x > 10, x, x * torch.tanh(torch.exp(torch.clamp(x, max=10))))


def leaky(slope):
    return lambda x: F.prelu(x, torch.tensor([slope], dtype=torch.float64))


ACTIVATIONS = [  # name as gf_act_from_name takes it
    ("identity", lambda x: x * 1), ("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("relu", F.relu),
    ("leaky_relu", F.leaky_relu), ("leaky_relu_0.2", lambda x: F.leaky_relu(x, 0.2)),
    ("elu", F.elu), ("elu_1.5", lambda x: F.elu(x, 1.5)), ("selu", F.selu),
    ("celu", F.celu), ("celu_2", lambda x: F.celu(x, 2.0)),
    ("softplus", F.softplus), ("softsign", F.softsign), ("arctan", torch.atan),
    ("gelu", F.gelu), ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
    ("silu", F.silu), ("silu_1.5", lambda x: x * torch.sigmoid(1.5 * x)), ("mish", F.mish), ("telu", telu),
    ("hard_sigmoid", F.hardsigmoid), ("hard_tanh", F.hardtanh), ("hard_swish", F.hardswish), ("relu6", F.relu6),
    ("prelu", leaky(0.25)), ("prelu_-0.5", leaky(-0.5)),
]


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fixtures", "activations.csv")
    with open(path, "w") as out:
        out.write("activation,z,value,derivative\n")
        for name, function in ACTIVATIONS:
             z = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
             value = function(z)
             value.sum().backward()
             for point, h, slope in zip(POINTS, value.tolist(), z.grad.tolist()):
                 if math.isfinite(h) and math.isfinite(slope):
                     out.write("%s,%.17g,%.17g,%.17g\n" % (name, point, h, slope))


if __name__ == "__main__":
    main()
