"""The registry: the package's own file, identifiers of every form, and files given by users."""

from importlib import resources
from pathlib import Path

import pytest

from docaxis.domain.agency import Registry, normalise
from docaxis.domain.errors import UsageError

HEADER = "seq,code,organ_id_qcvn102_2016,name_vi,name_en,kind,abbr,code_certainty"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load()


@pytest.mark.parametrize(
    ("identifier", "code"),
    [
        ("H53", "H53"),
        ("000.00.00.H53", "H53"),
        ("000.00.13.H53", "H53"),  # a sub-unit, 2016
        ("123.45.13.H53", "H53"),
        ("H53.01.02", "H53"),  # a sub-unit, 2020
        ("H26.01", "H26"),
        ("A00", "A00"),
    ],
)
def test_every_form_of_identifier_means_its_agency(identifier: str, code: str) -> None:
    assert normalise(identifier) == code


@pytest.mark.parametrize(
    "text",
    [
        "",
        "H5",
        "h53",
        "Z53",
        "H53.",
        "H53.1",
        ".H53",
        "00.00.H53",
        "000.00.00.",
        "00.53.W00",
        "H53 ",
        "H٥٣",
        "H53.01" * 9,
    ],
)
def test_what_is_no_identifier_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not an agency identifier"):
        normalise(text)


def test_the_package_lists_the_95_agencies(registry: Registry) -> None:
    assert len(registry) == 95
    assert [agency.index for agency in registry] == list(range(95))
    kinds = [agency.kind for agency in registry]
    assert kinds.count("ministry") == 18
    assert kinds.count("province") + kinds.count("centrally-run city") == 63
    assert kinds.count("Party body") == 1
    certainties = [agency.code_certainty for agency in registry]
    counts = {name: certainties.count(name) for name in sorted(set(certainties))}
    assert counts == {"assumption": 22, "derived": 23, "placeholder": 7, "verified": 43}


def test_lookup_takes_any_form(registry: Registry) -> None:
    index = registry.index_of("H53")
    assert registry[index].name_vi == "Ủy ban nhân dân tỉnh Tây Ninh"
    assert registry.codes[index] == "H53"
    assert registry.index_of("000.00.13.H53") == registry.index_of("H53.01.02") == index
    assert registry.agency("G22").abbr == "VPCP"
    assert "H53.01.02" in registry
    assert "H99" not in registry
    assert registry.find("nonsense") is None


@pytest.mark.parametrize("identifier", ["H99", "nonsense"])
def test_an_unknown_agency_is_named(registry: Registry, identifier: str) -> None:
    with pytest.raises(KeyError, match=identifier):
        registry.index_of(identifier)


def test_an_invented_code_is_never_shown_as_real(registry: Registry) -> None:
    placeholders = [agency for agency in registry if agency.is_placeholder]
    assert {agency.code for agency in placeholders} == {"G23", "G29", "G30", "G31", "G32", "G33", "A00"}
    for agency in registry:
        assert (agency.display_code == agency.code) == (agency.code_certainty in ("verified", "derived"))
    assert registry.agency("G30").display_code == "G30 (invented)"
    assert registry.agency("H01").display_code == "H01 (assumed)"


def test_successors_of_2025(registry: Registry) -> None:
    assert registry.agency("G22").successor is None
    assert registry.agency("G04").successor == "Bộ Xây dựng"
    dissolved = registry.agency("G33")
    assert (dissolved.successor, dissolved.dissolved) == ("Bộ Tài chính", True)
    assert sum(agency.dissolved for agency in registry) == 1


def test_a_file_of_the_same_form_can_be_given(tmp_path: Path) -> None:
    rows = [f"{n},T{n:05d},000.00.00.T{n:05d},Cơ quan {n},Agency {n},unit,,verified" for n in range(1, 1201)]
    path = tmp_path / "agencies.csv"
    path.write_text("\ufeff" + "\n".join([HEADER, *rows]) + "\n", encoding="utf-8")  # as spreadsheets save it
    registry = Registry.load(path)
    assert len(registry) == 1200
    assert registry.index_of("T01200.01") == 1199


def test_the_package_file_given_by_path_is_the_same(tmp_path: Path, registry: Registry) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(resources.files("docaxis").joinpath("data/agencies.csv").read_bytes())
    assert Registry.load(copy).agencies == registry.agencies


def test_all_faults_are_told_at_once_with_line_column_and_value() -> None:
    text = "\n".join(
        [
            HEADER,
            "1,H01,000.00.00.H01,Một,One,unit,,verified",
            "3,H01,000.00.00.H01,Hai,Two,unit,,verified",
            "3,h3,000.00.00.h3,Ba,Three,unit,,certain",
            "4,H04,000.00.00.H05,Bốn,Four,unit,,verified",
            "5,H05,000.00.00.H05,,Five,unit,,verified",
            "6,H06,000.00.00.H06,Sáu,Six",
        ]
    )
    with pytest.raises(UsageError) as caught:
        Registry.parse(text, "mine.csv")
    message = str(caught.value)
    for part in (
        "mine.csv",
        "line 3: column 'seq' is '3'",
        "line 3: column 'code' is 'H01', already used on line 2",
        "line 4: column 'code' is 'h3'",
        "line 4: column 'code_certainty' is 'certain'",
        "line 5: column 'organ_id_qcvn102_2016' is '000.00.00.H05'; expected '000.00.00.H04'",
        "line 6: column 'name_vi' is empty",
        "line 7: the number of fields differs",
    ):
        assert part in message
    assert "7 fault(s)" in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "column 'seq' is missing"),
        ("a,b\n1,2\n", "column 'code' is missing"),
        (HEADER.replace("abbr", "short") + "\n", "column 'short' is not known"),
        (HEADER + "\n", "0 agencies listed"),
        (HEADER + "\n1,H01,000.00.00.H01,Một,One,unit,,verified\n", "1 agencies listed"),
    ],
    ids=["empty file", "another file", "renamed column", "no rows", "one row"],
)
def test_a_file_that_is_no_registry(text: str, part: str) -> None:
    with pytest.raises(UsageError, match="not a valid registry") as caught:
        Registry.parse(text, "mine.csv")
    assert part in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the registry"):
        Registry.load(tmp_path / "missing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read the registry"):
        Registry.load(tmp_path / "binary.csv")
