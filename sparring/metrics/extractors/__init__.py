"""Networks whose features and predictions metrics compare."""
