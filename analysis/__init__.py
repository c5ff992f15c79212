"""What is shown: run directories in; tables and figures out. Nothing here simulates."""
