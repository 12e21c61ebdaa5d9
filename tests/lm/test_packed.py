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


def quantised(weight, bits, least=1):
    """Round (out, in) to codes by groups of 16 inputs; zero points are ``least`` to 2^bits."""
    high = 2**bits - 1
    grouped = weight.unflatten(1, (-1, GROUP))
    low = grouped.amin(-1).clamp(max=-1e-3 * least)
    scale = ((grouped.amax(-1).clamp(min=1e-3) - low) / high).half().float()
    zero = (-low / scale).round().clamp(least, high)
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


def zeros_from_nothing(weight, bits, writer):
    """Asymmetric GPTQ with zero points of 0, as one writer or the other stores them."""
    weight = weight.clone()
    weight[::3] = weight[::3].abs()  # the whole group above nought: its zero point is 0
    codes, zero, scale, dense = quantised(weight, bits, least=0)
    assert (zero == 0).any()
    stored = words(zero.T - 1 & 2**bits - 1, bits)
    if writer == "gptqmodel:5.0":
        ones = sum(1 << place for place in range(0, 32, bits))
        stored = (words(zero.T, bits).long() - ones) & 0xFFFFFFFF
        stored = torch.where(stored >= 2**31, stored - 2**32, stored).int()
    parts = {
        "qweight": words(codes, bits).T.contiguous(),
        "qzeros": stored,
        "scales": scale.T.contiguous().half(),
    }
    return parts, dense


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("writer", ["auto_gptq", "gptqmodel:5.0"])
def test_zero_points_of_zero(publish, bits, writer):
    packed, dense = publish(
        lambda weight: zeros_from_nothing(weight, bits, writer),
        quant_method="gptq", bits=bits, checkpoint_format="gptq", meta={"quantizer": [writer]},
    )  # fmt: skip
    logits = opened(packed).model(input_ids=IDS).logits
    assert torch.equal(logits, opened(dense).model(input_ids=IDS).logits)


def symmetric(weight, first):
    scale = (weight.unflatten(1, (-1, GROUP)).abs().amax(-1) / 7).half().float()
    codes = (weight.unflatten(1, (-1, GROUP)) / scale[..., None]).round().clamp(-8, 7)
    dense = (codes * scale[..., None]).flatten(1)
    zero = torch.full_like(scale, 8).int()
    parts = {
        "qweight": words(codes.flatten(1).int() + 8, 4).T.contiguous(),
        "qzeros": words(zero.T - first, 4),
        "scales": scale.T.contiguous().half(),
    }
    return parts, dense


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("version", ["gptq", "gptq_v2"])
def test_a_symmetric_grid_says_which_layout_it_has(publish, first, version):
    packed, dense = publish(
        lambda weight: symmetric(weight, first),
        quant_method="gptq", bits=4, sym=True, checkpoint_format=version,
    )  # fmt: skip
    found = opened(packed)
    logits = opened(dense).model(input_ids=IDS).logits
    assert torch.equal(found.model(input_ids=IDS).logits, logits)
    wrong = first == 0 and version == "gptq"
    assert any("new layout" in note for note in found.notes) is wrong
    assert found.stored_bits == pytest.approx(4 + (16 + 4) / GROUP)


def test_a_symmetric_grid_with_other_zero_points_is_refused(publish):
    packed, _ = publish(
        lambda weight: symmetric(weight, 3), quant_method="gptq", bits=4, sym=True
    )  # fmt: skip
    with pytest.raises(ModelError, match="neither 7"):
        opened(packed)


def whole(weight):
    return torch.tensor(weight.shape)


def int4_parts(weight):
    """compressed-tensors, pack-quantized, asymmetric: codes along inputs, zeros down outputs."""
    codes, zero, scale, dense = quantised(weight, 4)
    return {
        "weight_packed": words(codes, 4),
        "weight_scale": scale,
        "weight_zero_point": words(zero.T, 4).T.contiguous(),
        "weight_shape": whole(weight),
    }, dense


def int4_plain(weight):
    parts, dense = symmetric(weight, 0)
    codes = parts["qweight"].T.contiguous()
    scale = parts["scales"].T.contiguous()
    return {"weight_packed": codes, "weight_scale": scale, "weight_shape": whole(weight)}, dense


def fp8_parts(weight):
    scale = weight.abs().amax(1, keepdim=True) / 448
    codes = (weight / scale).to(torch.float8_e4m3fn)
    return {"weight": codes, "weight_scale": scale, "input_scale": torch.ones(1)}, (
        codes.float() * scale
    )


def fp8_blocks(weight):
    """Blocks of 32 x 32, as DeepSeek's releases are; the last ones may be short."""
    rows, columns = (-(-n // 32) for n in weight.shape)
    scale = torch.rand(rows, columns) + 0.5
    spread = scale.repeat_interleave(32, 0).repeat_interleave(32, 1)
    spread = spread[: weight.shape[0], : weight.shape[1]]
    codes = (weight / spread).to(torch.float8_e4m3fn)
    return {"weight": codes, "weight_scale_inv": scale}, codes.float() * spread


def int8_parts(weight):
    scale = weight.abs().amax(1, keepdim=True) / 127
    codes = (weight / scale).round().to(torch.int8)
    return {"weight": codes, "weight_scale": scale}, codes.float() * scale


FOURS = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def four_codes(weight, scale, group):
    grouped = weight.unflatten(1, (-1, group)) / scale[..., None]
    codes = (grouped[..., None] - FOURS).abs().argmin(-1)
    dense = (FOURS[codes] * scale[..., None]).flatten(1)
    codes = codes.flatten(1).to(torch.uint8)
    return codes[:, ::2] | codes[:, 1::2] << 4, dense


def nvfp4_parts(weight):
    overall = torch.tensor([300.0])
    size = weight.unflatten(1, (-1, 16)).abs().amax(-1) / 6
    stored = (size * overall).to(torch.float8_e4m3fn)
    packed, dense = four_codes(weight, stored.float() / overall, 16)
    return {
        "weight_packed": packed,
        "weight_scale": stored,
        "weight_global_scale": overall,
    }, dense


def mxfp4_parts(weight):
    power = (weight.unflatten(1, (-1, 32)).abs().amax(-1) / 6).log2().ceil()
    packed, dense = four_codes(weight, power.exp2(), 32)
    return {"weight_packed": packed, "weight_scale": (power + 127).to(torch.uint8)}, dense


COMPRESSED = {
    "int4 asymmetric": (int4_parts, 4 + (32 + 4) / GROUP),
    "int4": (int4_plain, 4 + 16 / GROUP),
    "fp8": (fp8_parts, 8),
    "int8": (int8_parts, 8),
    "nvfp4": (nvfp4_parts, 4.5),
    "mxfp4": (mxfp4_parts, 4.25),
}


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_compressed_tensors_are_their_rounded_weights(publish, kind, dtype):
    parts, bits = COMPRESSED[kind]
    packed, dense = publish(parts, quant_method="compressed-tensors", config_groups={})
    found = opened(packed, dtype=dtype)
    logits = opened(dense, dtype=dtype).model(input_ids=IDS).logits
    assert torch.equal(found.model(input_ids=IDS).logits, logits)
    assert found.capabilities == {"hidden", "logprob"}
    assert found.stored_bits == pytest.approx(bits, abs=0.8)  # scales of whole rows, shapes
    assert found.stored_bits >= bits


def test_blocks_of_fp8(publish):
    packed, dense = publish(fp8_blocks, quant_method="fp8", weight_block_size=[32, 32])
    logits = opened(packed).model(input_ids=IDS).logits
    assert torch.equal(logits, opened(dense).model(input_ids=IDS).logits)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"sparsity_config": {"format": "sparse-24-bitmask"}}, "stores its zeros apart"),
        ({"transform_config": {"config_groups": {"u": {}}}}, "rotates its weights"),
    ],
)
def test_more_than_codes_is_refused(publish, described, message):
    packed, _ = publish(int4_plain, quant_method="compressed-tensors", **described)
    with pytest.raises(ModelError, match=message):
        opened(packed)
