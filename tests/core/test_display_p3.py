import io

import numpy as np
from PIL import Image, ImageCms

from edgedistill.core.display_p3 import display_p3_profile


def test_little_cms_reads_it_and_converts_as_the_published_matrix_does() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(display_p3_profile()))
    assert ImageCms.getProfileDescription(profile) == "Display P3\n"
    # Linear light: red 225 is 0.7529; times 1.22494, less green's 45 (0.0262) times 0.22494, it is
    # 0.9164, level 245. Green: 1.04206 * 0.0262 - 0.04206 * 0.7529 is below 0. White and grey stay.
    pixels = np.array([[(225, 45, 30), (255, 255, 255), (128, 128, 128)]], np.uint8)
    converted = ImageCms.profileToProfile(
        Image.fromarray(pixels), profile, ImageCms.createProfile("sRGB")
    )
    assert converted is not None
    wanted = [[(245, 0, 0), (255, 255, 255), (128, 128, 128)]]
    assert np.abs(np.asarray(converted).astype(int) - wanted).max() <= 1
