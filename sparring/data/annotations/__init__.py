"""What rows carry beside their pixels: labels, captions, label maps, names."""
