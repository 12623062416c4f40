"""What a trained game can do: sample, interpolate, encode, translate, paint."""
