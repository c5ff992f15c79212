"""The machines that run a model: what compiles and runs generated code."""
