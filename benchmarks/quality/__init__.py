"""Quality of generation: every system on points and images, with broken twins as negative controls."""
