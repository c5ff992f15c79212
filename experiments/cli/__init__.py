"""The command line.

main.py     the program: signals, exit status, errors as one sentence
process.py  standard streams that may fail, and signals that end the process
parser.py   from words to a command; the list of commands
commands/   the commands, one file for each family
"""
