"""What is handed in, and what happens to files that were made to hurt."""

import contextlib
import io
import json
import stat
import struct
import zipfile

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from submission_fixtures import PEOPLE, edited, repacked

from harness.board.submission.bundle import MEMBER_LIMIT, open_bundle, write_bundle
from harness.board.submission.classic import check_header
from harness.board.submission.cut import Offer, entries_of
from harness.board.submission.detail import pack_detail, unpack_detail, without_raw
from harness.board.submission.entry import parse_json
from harness.errors import SubmissionError


def test_a_bundle_holds_scores_and_no_responses(handed, bundle):
    opened = open_bundle(bundle)
    assert opened.problems == ()
    assert len(opened.entries) == 5
    for entry in opened.entries:
        dataset = entry.dataset()
        assert list(dataset["participant"].values) == list(PEOPLE)
        assert {"r_best", "r"} == set(dataset.data_vars)
    everything = b"".join(
        zipfile.ZipFile(bundle).read(n) for n in zipfile.ZipFile(bundle).namelist()
    )
    assert b"safetensors" not in everything
    assert b"/tmp" not in everything, "where the model lies is the submitter's business"


def test_numbers_come_back_as_they_were(handed, bundle):
    cells = handed.board["cells"].to_dataset()
    detail = handed.board["neural/toy-listening"].to_dataset()
    for entry in open_bundle(bundle).entries:
        model = entry.record["model"]["name"]
        for cell in entry.record["cells"]:
            name = cell["compressor"]["name"]
            at = cells.sel(model=model, compressor=name, benchmark="toy-listening")
            if cell["status"] != "done":
                assert cell["value"] is None
                continue
            for number in ("value", "low", "high", "ceiling"):
                assert cell[number] == at[number].item()
            assert cell["key"] == at["key"].item()
            mine = entry.dataset().sel(compressor=name)
            theirs = detail.sel(variant=f"{model}+{name}")
            np.testing.assert_array_equal(mine["r_best"], theirs["r_best"])
            layers = mine["layer"].values
            np.testing.assert_array_equal(mine["r"], theirs["r"].sel(layer=layers))


def test_the_same_results_are_the_same_bytes(handed, bundle, tmp_path):
    again = write_bundle(handed.entries[::-1][::-1], tmp_path / "again.zip")
    assert again.read_bytes() == bundle.read_bytes()


def test_models_and_benchmarks_can_be_chosen(handed):
    offer = Offer("Ada", "ada@example.org", models=("static:*",))
    (entry,) = entries_of(handed.board, offer, handed.registry)
    assert entry.record["model"]["control"] == "static"
    with pytest.raises(SubmissionError, match="no model 'nobody'"):
        entries_of(handed.board, Offer("Ada", "x", models=("nobody",)), handed.registry)


def test_who_made_the_plugins_is_said(handed):
    plugins = handed.entries[0].record["plugins"]
    assert {"kind": "benchmark", "name": "toy-listening"}.items() <= plugins[0].items()
    assert plugins[0]["distribution"] == "toys"


def test_maps_stay_at_home_unless_asked_for():
    dataset = xr.Dataset(
        {
            "map": ("voxel", np.zeros(4)),
            "r": ("roi", [0.1]),
            "said": ("item", np.array(["a story " * 20], object)),
        }
    )
    assert set(without_raw(dataset).data_vars) == {"r"}
    assert set(without_raw(dataset, maps=True).data_vars) == {"r", "map"}


@pytest.mark.parametrize("name", ["", "<b>Ada</b>", "Ada\u202eadA", "A" * 300])
def test_a_name_is_a_name(handed, tmp_path, name):
    entries = entries_of(handed.board, Offer(name, "ada@example.org"), handed.registry)
    with pytest.raises(SubmissionError, match=r"submitter\.name"):
        write_bundle(entries, tmp_path / "x.zip")


def said(path):
    opened = open_bundle(path)
    return " / ".join(f"{p.where}: {p.what}" for p in opened.problems)


def record_of(members):
    return sorted(n for n in members if n.endswith(".json") and n != "manifest.json")[0]


def test_a_score_edited_in_the_bundle(bundle, tmp_path):
    def edit(members):
        name = record_of(members)
        members[name] = members[name].replace(b'"value": 0.', b'"value": 0.9')

    problems = said(repacked(bundle, tmp_path / "x.zip", edit))
    assert "is not the file that the manifest lists" in problems
    assert "does not have the name of its content" in problems


def test_a_truncated_detail(bundle, tmp_path):
    def cut(members):
        name = next(n for n in members if n.endswith(".nc"))
        members[name] = members[name][: len(members[name]) // 2]

    assert "is not the file that its record lists" in said(
        repacked(bundle, tmp_path / "x.zip", cut)
    )


def test_nan_is_no_number(bundle, tmp_path):
    def edit(members):
        name = record_of(members)
        members[name] = members[name].replace(b'"ceiling": 0.5', b'"ceiling": NaN')

    assert "NaN is no number" in said(repacked(bundle, tmp_path / "x.zip", edit))


@pytest.mark.parametrize(
    "name", ["../../evil.json", "/etc/passwd", "a@1/../b/0123456789abcdef.json"]
)
def test_a_path_that_leaves(bundle, tmp_path, name):
    path = repacked(bundle, tmp_path / "x.zip", lambda m: m.update({name: b"{}"}))
    assert "is no path of a submission" in said(path)


def test_a_link(bundle, tmp_path):
    target = tmp_path / "x.zip"
    target.write_bytes(bundle.read_bytes())
    info = zipfile.ZipInfo("a@1/b@c/0123456789abcdef.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(target, "a") as opened:
        opened.writestr(info, "/etc/passwd")
    assert "is a link" in said(target)


def test_a_bomb_is_not_unpacked(tmp_path):
    """Ten gigabytes of zeros in ten megabytes; what it declares of its size is a lie as well."""
    path = tmp_path / "bomb.zip"
    block = b"\0" * 2**20
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
        packed.open("a@1/b@c/0123456789abcdef.nc", "w") as member,
    ):
        for _ in range(256):
            member.write(block)
    assert "unpacks to more than" in said(path)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 10)  # "ten bytes"
    path.write_bytes(content)
    assert open_bundle(path).problems


def test_ten_gigabytes_declared(tmp_path):
    """A member of 10 GiB by its header is read up to the limit, and no further."""
    path = tmp_path / "bomb.zip"
    import zlib

    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    unit = packer.compress(b"\0" * 2**22) + packer.flush(zlib.Z_FULL_FLUSH)
    body = unit * 2560  # blocks of deflate may follow each other: 10 GiB
    info = zipfile.ZipInfo("a@1/b@c/0123456789abcdef.nc")
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(info, body)
    content = bytearray(path.read_bytes())
    for mark, method, size in ((b"PK\x03\x04", 8, 22), (b"PK\x01\x02", 10, 24)):
        at = content.find(mark) if mark == b"PK\x03\x04" else content.rfind(mark)
        content[at + method : at + method + 2] = struct.pack("<H", zipfile.ZIP_DEFLATED)
        content[at + size : at + size + 4] = struct.pack("<I", 0xFFFFFFFE)
    path.write_bytes(content)
    assert path.stat().st_size < 2**24
    assert "unpacks to more than" in said(path)


def test_too_many_members(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for i in range(MEMBER_LIMIT + 1):
            packed.writestr(str(i), b"")
    assert "files; at most" in said(path)


def test_what_is_no_zip(tmp_path):
    (tmp_path / "x.zip").write_text("PK, or so it says")
    assert "no bundle" in said(tmp_path / "x.zip")


def test_a_name_given_twice_in_json():
    with pytest.raises(SubmissionError, match="twice"):
        parse_json(b'{"a": 1, "a": 2}', "x")
    with pytest.raises(SubmissionError, match="no JSON"):
        parse_json(b'{"a":' * 100_000, "x")


def test_a_header_that_declares_too_much(handed):
    packed = bytearray(handed.entries[0].detail)
    check_header(bytes(packed))
    dims = packed.find(struct.pack(">i", len(PEOPLE)), 8)
    packed[dims : dims + 4] = struct.pack(">i", 2**30)
    with pytest.raises(ValueError, match=r"overlap, or reach|cut short|members"):
        check_header(bytes(packed))
    for end in (3, 20, len(packed) // 2):
        with pytest.raises(SubmissionError):
            unpack_detail(handed.entries[0].detail[:end])


def test_hdf5_is_not_read(tmp_path):
    """HDF5 may link to other files of the reader's machine."""
    xr.Dataset({"r": ("roi", [0.1])}).to_netcdf(tmp_path / "x.nc", engine="netcdf4")
    with pytest.raises(SubmissionError, match="no classic netCDF"):
        unpack_detail((tmp_path / "x.nc").read_bytes())


QUIET = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@QUIET
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_answered(tmp_path, content, headed):
    path = tmp_path / "fuzz.zip"
    path.write_bytes((b"PK\x03\x04" if headed else b"") + content)
    assert open_bundle(path).problems


@QUIET
@example([(0.9999217643888112, 1)])  # the place of the directory
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_flipped_bytes_of_a_bundle_are_noticed(bundle, flips):
    content = bytearray(bundle.read_bytes())
    for where, value in flips:
        content[int(where * (len(content) - 1))] = value
    path = bundle.with_name("flipped.zip")
    path.write_bytes(content)
    opened = open_bundle(path)
    # Bytes that no reader looks at (times, attributes) may change; contents may not.
    assert opened.problems or {e.id for e in opened.entries} == {
        e.id for e in open_bundle(bundle).entries
    }


@QUIET
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_of_a_detail_raise_nothing_else(handed, flips):
    content = bytearray(handed.entries[0].detail)
    for at, value in flips:
        content[at % len(content)] = value
    with contextlib.suppress(SubmissionError):
        assert unpack_detail(bytes(content)).nbytes <= 8 * len(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=8,
)


@QUIET
@given(st.data())
def test_any_value_anywhere_in_a_record_is_answered(handed, data):
    """A record with one field replaced by anything is either sound or has a listed problem."""
    record = json.loads(handed.entries[0].text)
    at = record
    while isinstance(at, dict | list) and at:
        keys = sorted(at) if isinstance(at, dict) else range(len(at))
        key = data.draw(st.sampled_from(list(keys)))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            at[key] = data.draw(JSON)
            break
        at = at[key]
    from harness.board.submission.bundle import open_entries

    text = json.dumps(record).encode("utf-8", "surrogatepass")
    opened = open_entries({"a@1/b@c/0123456789abcdef.json": text})
    assert opened.problems


def test_large_details_are_refused():
    with pytest.raises(SubmissionError, match="at most"):
        pack_detail(xr.Dataset({"r": ("roi", np.zeros(5_000_000))}))


def test_an_edit_by_our_own_tools_is_another_entry(handed):
    entry = handed.entries[0]
    other = edited(entry, lambda record: record.update(note="corrected"))
    assert other.id != entry.id
    assert other.folder == entry.folder
    assert io.BytesIO(other.detail).read() == entry.detail


def test_a_score_found_under_another_name_is_handed_in_under_this_one(handed):
    """The store finds scores by content: the same weights in another folder are the same result."""
    cells = handed.board["cells"].to_dataset()
    provenance = cells["provenance"].copy(deep=True)
    for at, text in np.ndenumerate(provenance.values):
        if text:
            said = json.loads(text) | {"model": "elsewhere", "source": "file:/home/ada/elsewhere"}
            provenance.values[at] = json.dumps(said)
    board = handed.board.copy()
    board["cells"] = xr.DataTree(cells.assign(provenance=provenance))
    for entry, same in zip(
        entries_of(board, handed.offer, handed.registry), handed.entries, strict=True
    ):
        assert entry.text == same.text
