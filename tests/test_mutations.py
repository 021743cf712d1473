"""The mistakes that ``python tests/mutations.py`` tries still have a place in the code."""

from __future__ import annotations

import pytest

from mutations import CORE, MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_finds_its_place_once(mutation: Mutation) -> None:
    for edit in mutation.edits:
        text = (ROOT / CORE / edit.file).read_text(encoding="utf-8")
        assert text.count(edit.found) == 1, edit.file
        assert edit.found != edit.replacement
