"""Values on the path of `apiyi chat` behave like frozen dataclasses."""

from __future__ import annotations

import pytest

from apiyi_cli.plain_value import PlainValue


def _nothing() -> str:
    return "nothing"


class Point(PlainValue):
    x: int
    y: int = 2
    name = _nothing
    make: object = _nothing


class Point3(Point):
    z: int = 3


def test_fields_are_set_by_place_by_name_and_by_default() -> None:
    assert vars(Point(1)) == {"x": 1, "y": 2, "make": _nothing}
    assert Point(1, y=3) == Point(x=1, y=3) != Point(1)
    assert hash(Point(1, y=2)) == hash(Point(y=2, x=1))
    assert Point3(1, z=4).z == 4
    assert Point3(1) != Point(1)
    assert Point(1)._replace(y=5) == Point(1, 5)
    assert repr(Point3(1)).startswith("Point3(x=1, y=2, make=<function")


def test_a_wrong_field_is_refused_and_a_value_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="x"):
        Point()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="w"):
        Point(1, w=2)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="twice"):
        Point(1, x=2)  # type: ignore[misc]
    with pytest.raises(TypeError, match="twice"):
        Point(1, 2, None, 4)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
