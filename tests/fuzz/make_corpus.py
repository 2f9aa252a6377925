#!/usr/bin/env python3
"""Write the seed inputs of the fuzz targets into tests/fuzz/corpus: one good file of each kind and a few odd ones.
The checkpoint's comes from its target: SEED=tests/fuzz/corpus/checkpoint/net build/fuzz/checkpoint. Those that are
named by a hash were found by long runs and reach what 20 seconds would not (libFuzzer's -set_cover_merge=1)."""
import os
import struct

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(kind, name, data):
    folder = os.path.join(root, kind)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


images = struct.pack(">IIII", 0x803, 3, 2, 4) + bytes(range(24))
labels = struct.pack(">II", 0x801, 3) + bytes([0, 4, 1])
write("idx", "good", struct.pack("<H", len(images)) + images + labels)
write("idx", "swapped", struct.pack("<H", len(labels)) + labels + images)
write("idx", "huge", struct.pack("<H", 16) + struct.pack(">IIII", 0x803, 0xFFFFFFFF, 32768, 32768) + labels)

record = bytes([7]) + bytes(i * 5 & 255 for i in range(3072))
write("cifar", "test", bytes([1]) + record)
write("cifar", "training", bytes([0]) + 5 * record)
write("cifar", "label", bytes([1, 10]) + record[1:])

write("csv", "header", b"\x02x,y,class\n1,2,0\n-3.5e1,+4.25,1\n")
write("csv", "regression", b"\x00\xef\xbb\xbf1;2\r\n 1 , 2.5 \r\n\r\n3,4e-3\r\n")
write("csv", "odd", b"\x031,nan,2\n1e999,0x10,1\n,,\n")
write("csv", "long", b"\x00" + b",".join(b"%d" % i for i in range(200)) + b"\n")

entries, numbers, half = [], b"", struct.pack("<f", 0.5)
for key, shape in (("0.bias", [3]), ("0.weight", [3, 2]), ("1.bias", [3]), ("1.running_mean", [3]), ("1.running_var", [3]),
                   ("1.weight", [3]), ("2.weight", [1]), ("3.bias", [2]), ("3.weight", [2, 3])):
    size = 4 * shape[0] * shape[-1] if len(shape) == 2 else 4 * shape[0]
    entries.append('"%s":{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}' % (key, shape, len(numbers), len(numbers) + size))
    numbers += half * (size // 4)
header = ('{"__metadata__":{"a\\"":"b"},' + ",".join(entries) + "}").encode()
for name, first in (("by_name", b"\1"), ("by_order", b"\0")):
    write("safetensors", name, first + struct.pack("<Q", len(header)) + header + numbers)
write("safetensors", "huge", b"\1" + b"\377" * 8 + header)

write("csv", "pandas", b"\x03,a,b,k\n0,1.5,2,x\n1,NA,3,\"y, z\"\n2,4,5,z\n")
write("csv", "decimal", b"\x02sep=;\r\n5,1;3,5;0\r\n4,9;1.000;1\r\n")
write("csv", "r", b"\x02\"a\" \"b\"\n\"r1\" 1 yes\n\"r2\" 3 no\n")
write("csv", "words", b"\xe1# x y ok\n1 red yes\n? blue no\n3 red yes\n")
write("csv", "title", b"\xc1Iris,,\n,,\na,b,k\ncm,mm,-\n1,2,0\n3,4,1\n")


def npy(kind, shape, data):
    header = ("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n" % (kind, shape)).encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


for name, classes, x, y in [
        ("float", 2, npy("<f4", "(2, 3)", struct.pack("<6f", 1, 2, 3, 4, 5, 6)), npy("<i8", "(2,)", struct.pack("<2q", 0, 1))),
        ("pixels", 3, npy("|u1", "(2, 2, 2)", bytes(range(8))), npy("|b1", "(2, 3)", bytes([0, 0, 1, 1, 0, 0]))),
        ("targets", 0, npy(">f8", "(2,)", struct.pack(">2d", 1, -1)), npy(">i2", "(2, 1)", struct.pack(">2h", -5, 7)))]:
    write("npy", name, bytes([classes]) + struct.pack("<H", len(x)) + x + y)

write("options", "all", b"\n".join(
    [b"--epochs", b"3", b"--seed=7", b"--lr", b"1e-3", b"--activations", b"relu,leaky_relu_0.2", b"--init=xavier_0.5",
     b"--optim", b"momentum", b"--batch", b"32", b"--weight-decay", b"0.01", b"--dropout", b"0.5", b"--resume", b"--quick",
     b"--out", b"results/a", b"--data=d", b"--whole", b"-3", b"--real", b"0.5"]))
write("options", "help", b"--help")
write("options", "wrong", b"--epochs\n1.5\nword\n--quick=1\n--threads\n0")
