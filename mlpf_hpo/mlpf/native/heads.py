"""Forward, loss and backward of the heads for one block of elements, written out."""

from __future__ import annotations

import torch
from torch import Tensor

from mlpf_hpo.events.schema import N_CLASSES
from mlpf_hpo.mlpf.heads import Heads, aligned
from mlpf_hpo.mlpf.native.library import kernels


class HeadsPass:
    def __init__(self, heads: Heads, id_width: int, reg_width: int, dropped: int, scale: float) -> None:
        self.heads, self.dropped, self.scale = heads, dropped, scale
        self.order = [heads.class_head, heads.charge_head, heads.eta_head, heads.phi_head, heads.energy_head, heads.pt_head]
        self.layers = [[(l.weight.detach(), l.bias.detach()) for l in head.linear_layers] for head in self.order]
        first = [layers[0] for layers in self.layers]
        n, r = heads.id_dim, heads.reg_dim
        self.n, self.r = n, r
        widths = [len(b) for _, b in first]
        self.widths = widths
        self.w = widths[2]
        self.split = widths[0] + widths[1]
        total = sum(widths)
        self.id_weight = torch.zeros(total, id_width)
        torch.cat([w[:, :n] for w, _ in first], out=self.id_weight[:, :n])
        self.bias = torch.cat([b for _, b in first])
        self.class_weight = torch.cat([w[:, n : n + N_CLASSES] for w, _ in first[2:]])
        self.reg_weight = torch.zeros(2 * self.w, reg_width)
        torch.cat([w[:, n + N_CLASSES :] for w, _ in first[4:]], out=self.reg_weight[:, :r])
        self.pairs = []
        for a, b in ((2, 3), (4, 5)):
            middle = []
            for (wa, ba), (wb, bb) in zip(self.layers[a][1:-1], self.layers[b][1:-1], strict=True):
                middle.append((torch.stack([wa, wb]), torch.stack([ba, bb]).unsqueeze(1)))
            self.pairs.append(middle)
        self.n_seeds = len(self.layers[0]) - 1 + len(self.layers[1]) - 1 + 2 * (len(self.layers[2]) - 1)
        self.of_id_weight: Tensor | None = None

    def elu(self, x: Tensor, seed: int) -> Tensor:
        rows, width = x.shape
        y = torch.empty(rows, width)
        kernels().elu_dropout(x.data_ptr(), x.stride(0), None, y.data_ptr(), width, rows, width, seed, 0, self.dropped, self.scale)
        return y

    def elu_back(self, y: Tensor, g: Tensor) -> None:
        rows, width = g.shape
        kernels().elu_dropout_backward(y.data_ptr(), y.stride(0), g.data_ptr(), g.stride(0), rows, width, self.dropped, self.scale)

    def run(self, id_x: Tensor, reg_x: Tensor, x: Tensor, y: Tensor, weights: Tensor, sums: Tensor, seeds, of_id: Tensor, of_reg: Tensor) -> None:
        """Forward, loss and backward; gradients of the inputs are written, those of parameters kept."""
        seeds = iter(seeds)
        w, split, n = self.w, self.split, len(x)
        first = torch.addmm(self.bias, id_x, self.id_weight.t())
        out = torch.empty(n, 12)
        hidden = []
        begin = 0
        for i, (last, cols) in enumerate(((self.layers[0][-1], slice(0, 6)), (self.layers[1][-1], slice(6, 7)))):
            h = self.elu(first[:, begin : begin + self.widths[i]], next(seeds))
            begin += self.widths[i]
            hs = [h]
            for weight, bias in self.layers[i][1:-1]:
                h = self.elu(torch.addmm(bias, h, weight.t()), next(seeds))
                hs.append(h)
            torch.addmm(last[1], h, last[0].t(), out=out[:, cols])
            hidden.append(hs)
        classes = out[:, :6].clone()
        four = first[:, split:]
        four.addmm_(classes, self.class_weight.t())
        scales = first[:, split + 2 * w :]
        scales.addmm_(reg_x, self.reg_weight.t())
        pair_hidden = []
        for p, columns in enumerate((first[:, split : split + 2 * w], scales)):
            h0 = self.elu(columns, next(seeds))
            h = h0.view(n, 2, w).transpose(0, 1)
            hs = [h]
            for weight, bias in self.pairs[p]:
                z = torch.baddbmm(bias, h, weight.transpose(1, 2))
                h = self.elu(z.view(2 * n, -1), next(seeds)).view(2, n, -1)
                hs.append(h)
            for k, cols in ((0, (7, 8) if p == 0 else (10, 11)), (1, (8, 10) if p == 0 else (11, 12))):
                lw, lb = self.layers[2 + 2 * p + k][-1]
                torch.addmm(lb, h[k], lw.t(), out=out[:, cols[0] : cols[1]])
            pair_hidden.append((h0, hs))
        kernels().loss(out.data_ptr(), x.data_ptr(), y.data_ptr(), weights.data_ptr(), n, sums.data_ptr())
        self.back(out, hidden, pair_hidden, classes, id_x, reg_x, first, of_id, of_reg)

    def back(self, g, hidden, pair_hidden, classes, id_x, reg_x, of_first, of_id, of_reg) -> None:
        # `of_first` reuses the place of the first layers' outputs.
        w, split, n = self.w, self.split, len(g)
        grads: list[list[Tensor]] = [[] for _ in self.order]
        begin = 0
        for i, cols in ((0, slice(0, 6)), (1, slice(6, 7))):
            up = g[:, cols]
            hs = hidden[i]
            for depth in range(len(hs), 0, -1):
                h = hs[depth - 1]
                grads[i] += [up.sum(0), torch.mm(up.t(), h)]
                weight = self.layers[i][depth][0]
                if depth == 1:
                    dst = of_first[:, begin : begin + self.widths[i]]
                    torch.mm(up, weight, out=dst)
                    up = dst
                else:
                    up = torch.mm(up, weight)
                self.elu_back(h, up)
            begin += self.widths[i]
        for p in (0, 1):
            h0, hs = pair_hidden[p]
            last = hs[-1]
            up2 = torch.empty(2, n, last.shape[2])
            for k, cols in ((0, (7, 8) if p == 0 else (10, 11)), (1, (8, 10) if p == 0 else (11, 12))):
                up = g[:, cols[0] : cols[1]]
                j = 2 + 2 * p + k
                grads[j] += [up.sum(0), torch.mm(up.t(), last[k])]
                torch.mm(up, self.layers[j][-1][0], out=up2[k])
            for depth in range(len(hs) - 1, 0, -1):
                h = hs[depth]
                self.elu_back(h.view(2 * n, -1), up2.view(2 * n, -1))
                dw = torch.bmm(up2.transpose(1, 2), hs[depth - 1])
                db = up2.sum(1)
                for k in (0, 1):
                    grads[2 + 2 * p + k] += [db[k], dw[k]]
                up2 = torch.bmm(up2, self.pairs[p][depth - 1][0])
            dst = of_first[:, split + 2 * p * w : split + 2 * (p + 1) * w]
            dst.view(n, 2, w).copy_(up2.transpose(0, 1))
            self.elu_back(h0, dst)
        of_scales = of_first[:, split + 2 * w :]
        torch.mm(of_first, self.id_weight, out=of_id)
        torch.mm(of_scales, self.reg_weight, out=of_reg)
        parts = [
            torch.mm(of_first.t(), id_x), of_first.sum(0),
            torch.mm(of_first[:, split:].t(), classes), torch.mm(of_scales.t(), reg_x),
        ]
        if self.of_id_weight is None:
            self.of_id_weight, self.of_bias, self.of_class_weight, self.of_reg_weight = parts
            self.of_rest = grads
        else:
            torch._foreach_add_([self.of_id_weight, self.of_bias, self.of_class_weight, self.of_reg_weight], parts)
            torch._foreach_add_([t for one in self.of_rest for t in one], [t for one in grads for t in one])

    def gradients(self) -> list[Tensor]:
        """Gradients of the heads' parameters, in the module's order."""
        found = []
        begin = 0
        for i, width in enumerate(self.widths):
            rows = slice(begin, begin + width)
            columns = [self.of_id_weight[rows, : self.n]]
            if i >= 2:
                columns.append(self.of_class_weight[begin - self.split : begin - self.split + width])
            if i >= 4:
                at = begin - self.split - 2 * self.w
                columns.append(self.of_reg_weight[at : at + width, : self.r])
            found += [torch.cat(columns, dim=1), self.of_bias[rows]]
            found += self.of_rest[i][::-1]
            begin += width
        return found
