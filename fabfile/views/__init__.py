"""What the tasks that only look have to show of a fleet."""
