"""The settings are documented as they are declared."""

from pathlib import Path

from mailroot.settings.declared import declared
from mailroot.settings.derive import reference

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_derived_from_the_declarations_as_they_are_now() -> None:
    assert PAGE.read_text() == reference(), "run python tools/settings_reference.py"


def test_every_option_has_a_sentence_and_its_label_names_a_tab() -> None:
    for found in declared().values():
        assert found.option.sentence.endswith("."), found.key
        assert bool(found.option.label) == bool(found.option.tab), found.key


def test_a_caption_stands_in_for_a_label_and_says_more_than_the_key() -> None:
    named = [found for found in declared().values() if found.option.caption]
    captions = {found.key: found.option.caption for found in named}
    assert [found.key for found in named if found.option.label] == []
    for key, caption in captions.items():
        assert caption[0].isupper(), key
        assert not caption.endswith("."), key
        assert caption.lower().replace(" ", "_") != key.rpartition(".")[2], key
    for name in ("least", "dots", "former", "oversign", "ntlm_auth"):
        assert any(key.endswith(f".{name}") for key in captions), name


def test_every_option_is_on_the_page() -> None:
    page = PAGE.read_text()
    for found in declared().values():
        assert f"### `{found.parts[-1]}`" in page
        assert found.option.sentence in page
