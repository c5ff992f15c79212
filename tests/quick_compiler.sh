# Stands in for g++ where a test asks how the program behaves, not how its vectorised code computes: half the time to compile.
exec g++ "$@" -Og
