"""Time and memory of steps, data and processes, against reference loops and the machine's limit."""
