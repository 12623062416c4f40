"""Pages of HTML about a run."""
