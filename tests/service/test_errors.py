"""The list of all problems."""

import re

from mirage.service.errors import PROBLEMS, InvalidValue, ServiceError


def descendants(base: type[ServiceError]) -> set[type[ServiceError]]:
    return {base}.union(*(descendants(child) for child in base.__subclasses__()))


def test_the_list_is_complete_and_slugs_are_unique() -> None:
    assert set(PROBLEMS) == descendants(ServiceError) - {ServiceError}
    slugs = [problem.slug for problem in PROBLEMS]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)*", slug) for slug in slugs)


def test_the_error_of_a_field_names_the_field() -> None:
    error = InvalidValue.of("count", "count is 0")
    assert error.errors == [{"loc": ["count"], "msg": "count is 0"}]
    assert error.detail == "count is 0"
