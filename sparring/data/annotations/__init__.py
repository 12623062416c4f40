"""Annotations of images: labels, captions, label maps, names of rows."""
