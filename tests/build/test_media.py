"""Families of image models, and the parts of multipart forms."""

from __future__ import annotations

import pytest

from apiyi_cli.build.image import expected_extension, image_call
from apiyi_cli.build.upload import MB, Upload, form_fields
from apiyi_cli.core.call import Part
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.errors import UsageError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


def picture(name: str = "a.png", size: int = 58) -> Upload:
    return Upload(name, f"/tmp/{name}", size, PNG, PNG)


def test_the_fields_that_a_family_refuses_are_warned_of_and_sent() -> None:
    image_options = ImageOptions(style="vivid", quality="hd", n=2)
    call = image_call(model="gpt-image-1", prompt="x", image_options=image_options)
    assert call.json == {
        "model": "gpt-image-1",
        "prompt": "x",
        "style": "vivid",
        "quality": "hd",
        "n": 2,
    }
    assert [text.split(";")[0] for text in call.notes] == [
        "gpt-image-1 is known to refuse style",
        "gpt-image-1 is known to refuse quality hd",
    ]
    assert image_call(model="dall-e-3", prompt="x", image_options=ImageOptions(n=2)).notes
    assert not image_call(
        model="dall-e-3", prompt="x", image_options=ImageOptions(quality="hd")
    ).notes


@pytest.mark.parametrize(
    ("model", "count", "size", "fits"),
    [
        ("gpt-image-1", 16, 50 * MB, True),
        ("gpt-image-1", 17, 58, False),
        ("gpt-image-1", 1, 50 * MB + 1, False),
        ("dall-e-2", 1, 4 * MB, True),
        ("dall-e-2", 2, 58, False),
        ("flux-2-pro", 8, 20 * MB, True),
        ("flux-2-pro", 9, 58, False),
        ("flux-2-klein-4b", 5, 58, False),
        ("unknown", 2, 58, True),
    ],
)
def test_a_family_bounds_number_and_size(model: str, count: int, size: int, fits: bool) -> None:
    inputs = [picture(size=size)] * count
    try:
        call = image_call(model=model, prompt="x", image_options=ImageOptions(), inputs=inputs)
    except UsageError:
        assert not fits
    else:
        assert fits
        assert call.cost == "heavy"


def test_the_extension_to_expect_is_the_one_asked_for_or_the_familys() -> None:
    assert expected_extension("flux-2-pro", ImageOptions()) == "jpg"
    assert expected_extension("gpt-image-1", ImageOptions()) == "png"
    assert expected_extension("gpt-image-1", ImageOptions(output_format="jpeg")) == "jpg"
    assert expected_extension("gpt-image-1", ImageOptions(output_format="webp")) == "webp"


def test_a_form_writes_values_as_json_does_and_lists_as_several_parts() -> None:
    body = {"s": "1", "i": 1, "f": 0.5, "b": True, "none": None, "l": ["a", 2], "o": {"k": "ü"}}
    assert list(form_fields(body)) == [
        Part("s", value="1"),
        Part("i", value="1"),
        Part("f", value="0.5"),
        Part("b", value="true"),
        Part("l[]", value="a"),
        Part("l[]", value="2"),
        Part("o", value='{"k":"ü"}'),
    ]
