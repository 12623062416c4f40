"""Images, films and plots."""
