"""What is simulated: equations, rules, circuits and their translation into Brian2."""
