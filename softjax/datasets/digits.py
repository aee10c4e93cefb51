"""scikit-learn's handwritten digits: 1,797 images of 8 × 8 pixels, part of its package."""

import numpy as np

from softjax.datasets.dataset import Dataset, build_dataset
from softjax.datasets.split import split_stratified


def load(split_seed: int) -> Dataset:
    """The digits: 1,257 training, 270 validation and 270 test images. Pixels are 0..16, as uint8.

    Source: Alpaydin and Kaynak, *Optical Recognition of Handwritten Digits*, UCI, 1998.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    X, y = bunch.data.astype(np.uint8), bunch.target.astype(np.int32)
    splits = split_stratified("digits", X, y, val=15, test=15, seed=split_seed)
    return build_dataset("digits", "digits (scikit-learn)", splits, image_shape=(8, 8))
