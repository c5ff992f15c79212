"""What the generated C++ needs beside Brian2's own templates."""
