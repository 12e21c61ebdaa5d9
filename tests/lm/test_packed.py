import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import ModelError
from harness.lm.load import load
from harness.lm.source import resolve, spec_from_address

IDS = torch.arange(5, 25)[None]
GROUP = 16
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_key_value_heads": 4}
"""Multiples of 32: three bits pack 32 codes into three words."""


def opened(folder, **options):
    spec = spec_from_address(f"file:{folder}")
    return load(resolve(spec), spec, **options)


def words(codes, bits):
    """Pack rows of codes, one Python integer a row."""
    rows = []
    for row in codes.tolist():
        number = sum(code << (bits * place) for place, code in enumerate(row))
        count = -(-len(row) * bits // 32)
        parts = [(number >> 32 * i) & 0xFFFFFFFF for i in range(count)]
        rows.append([part - 2**32 if part >= 2**31 else part for part in parts])
    return torch.tensor(rows, dtype=torch.int32)


def quantised(weight, bits):
    """Round (out, in) to codes by groups of 16 inputs; zero points are 1 to 2^bits."""
    high = 2**bits - 1
    grouped = weight.unflatten(1, (-1, GROUP))
    low = grouped.amin(-1).clamp(max=-1e-3)
    scale = ((grouped.amax(-1).clamp(min=1e-3) - low) / high).half().float()
    zero = (-low / scale).round().clamp(1, high)
    codes = (grouped / scale[..., None]).round() + zero[..., None]
    codes = codes.clamp(0, high)
    dense = ((codes - zero[..., None]) * scale[..., None]).flatten(1)
    return codes.flatten(1).int(), zero.int(), scale, dense


def gptq_parts(weight, bits, order=None, first=1):
    """AutoGPTQ: codes down the inputs; zero points, less one, along the outputs."""
    order = torch.arange(weight.shape[1]) if order is None else order
    codes, zero, scale, dense = quantised(weight[:, order], bits)
    back = torch.argsort(order)
    return {
        "qweight": words(codes[:, back], bits).T.contiguous(),
        "qzeros": words(zero.T - first, bits),
        "scales": scale.T.contiguous().half(),
        "g_idx": (back // GROUP).int(),
    }, dense[:, back]


def awq_parts(weight, bits=4):
    """AutoAWQ, gemm: of each eight outputs, the word holds 0 2 4 6 1 3 5 7, lowest bits first."""
    codes, zero, scale, dense = quantised(weight, bits)
    order = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])

    def shuffled(values):
        return values.T.unflatten(1, (-1, 8))[..., order].flatten(1)

    return {
        "qweight": words(shuffled(codes), bits),
        "qzeros": words(shuffled(zero), bits),
        "scales": scale.T.contiguous().half(),
    }, dense


@pytest.fixture
def publish(release):
    """Pack the linear layers of a release: two folders, packed and dense."""

    def make(parts, sizes=SIZES, **described):
        packed = release(**sizes)
        dense = packed.with_name("dense")
        shutil.copytree(packed, dense)
        tensors = load_file(dense / "model.safetensors")
        codes = dict(tensors)
        for name, value in tensors.items():
            if ".layers." in name and value.ndim == 2:
                codes.pop(name)
                written, rounded = parts(value)
                stem = name.removesuffix(".weight")
                codes |= {f"{stem}.{key}": part for key, part in written.items()}
                tensors[name] = rounded
        save_file(tensors, dense / "model.safetensors", {"format": "pt"})
        save_file(codes, packed / "model.safetensors", {"format": "pt"})
        config = json.loads((packed / "config.json").read_text())
        config["quantization_config"] = {"group_size": GROUP, **described}
        (packed / "config.json").write_text(json.dumps(config))
        return packed, dense

    return make


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("version", ["gptq", "gptq_v2"])
def test_gptq_checkpoints_are_their_rounded_weights(publish, bits, version):
    first = 1 if version == "gptq" else 0

    def parts(weight):
        return gptq_parts(weight, bits, first=first)

    packed, dense = publish(parts, quant_method="gptq", bits=bits, checkpoint_format=version)
    found, wanted = opened(packed), opened(dense)
    assert torch.equal(found.model(input_ids=IDS).logits, wanted.model(input_ids=IDS).logits)
    assert found.capabilities == {"hidden", "logprob"}
    assert f"{bits}-bit gptq" in found.notes[0]


def test_gptq_with_activation_order(publish):
    def parts(weight):
        generator = torch.Generator().manual_seed(weight.shape[1])
        return gptq_parts(weight, 4, torch.randperm(weight.shape[1], generator=generator))

    packed, dense = publish(parts, quant_method="gptq", bits=4, desc_act=True)
    logits = opened(packed).model(input_ids=IDS).logits
    assert torch.equal(logits, opened(dense).model(input_ids=IDS).logits)


def test_awq_checkpoints_are_their_rounded_weights(publish):
    packed, dense = publish(awq_parts, quant_method="awq", bits=4, version="gemm")
    logits = opened(packed).model(input_ids=IDS).logits
    assert torch.equal(logits, opened(dense).model(input_ids=IDS).logits)


def test_the_dtype_is_the_one_asked_for(publish):
    packed, _ = publish(awq_parts, quant_method="awq", bits=4)
    assert opened(packed, dtype="bfloat16").model.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"quant_method": "awq", "bits": 4, "version": "gemv"}, "gemv"),
        ({"quant_method": "gptq", "bits": 8}, "not packed as gptq with 8 bits"),
    ],
)
def test_another_layout_is_named(publish, described, message):
    packed, _ = publish(awq_parts, **described)
    with pytest.raises(ModelError, match=message):
        opened(packed)


def test_dense_weights_that_claim_to_be_packed(release):
    folder = release()
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="no weight is packed"):
        opened(folder)


def test_a_missing_part_is_named(publish):
    packed, _ = publish(awq_parts, quant_method="awq", bits=4)
    tensors = load_file(packed / "model.safetensors")
    name = next(name for name in tensors if name.endswith(".scales"))
    tensors.pop(name)
    save_file(tensors, packed / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"has no scales"):
        opened(packed)
