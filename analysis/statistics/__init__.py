"""Whether one kind of runs is better than another, and how sure that is.

tests.py   the tests, intervals and effect sizes, on numbers
pairs.py   every pair of kinds of runs, compared over seeds and over test images
report.py  the comparisons as Markdown and as files
"""
