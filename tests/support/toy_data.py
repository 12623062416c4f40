"""An image to take a fingerprint of."""

import numpy as np

IMAGE = np.zeros((4, 2, 2, 1), np.uint8)
