#!/usr/bin/env bash
# torch 2.13.0: len(x) makes a dynamic dimension of an exported program constant, x.shape[0] does not.
#
# Guess: for a tensor, len(x) and x.shape[0] are two spellings of one number, also while torch.export traces.
# Seen: export refuses the dimension as soon as len(x) is used for a shape: "your code specialized it to be a
#   constant". Python lets __len__ return nothing but an int, so the symbol is lost on the way.
# Also seen: a batch of ceil(n / 4) products is exported only for n where that is never 1, though the range of n begins
#   at 1; with one empty batch more, all n are taken, 1 too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch


class Padded(torch.nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.rows = rows

    def forward(self, x):
        return torch.cat([x, x.new_zeros(self.rows(x), 2)], dim=1)


class Cut(torch.nn.Module):
    def __init__(self, more):
        super().__init__()
        self.more = more

    def forward(self, x):
        n = (x.shape[0] + 3) // 4 + self.more
        places = torch.arange(n).unsqueeze(1) * 4 + torch.arange(4)
        rows = x[places.clamp(max=x.shape[0] - 1)]
        return torch.bmm(rows, rows.transpose(1, 2))


def export(module):
    n = torch.export.Dim("n", min=1, max=1000)
    try:
        made = torch.export.export(module, (torch.rand(10, 3),), dynamic_shapes=({0: n},)).module()
        return [tuple(made(torch.rand(size, 3)).shape) for size in (1, 4, 30)]
    except torch._dynamo.exc.UserError as error:
        return str(error).splitlines()[1].strip()


found = {
    "len(x)": export(Padded(len)),
    "x.shape[0]": export(Padded(lambda x: x.shape[0])),
    "a batch that may be 1": export(Cut(0)),
    "one more": export(Cut(1)),
}
print("torch", torch.__version__)
for name, result in found.items():
    print(f"{name}: {result}")
expected = [(isinstance(result, str)) for result in found.values()]
sys.exit(expected != [True, False, True, False])
PYTHON
