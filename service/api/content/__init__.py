"""What bodies say and how answers are represented."""
