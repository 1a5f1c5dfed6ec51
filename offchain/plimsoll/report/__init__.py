"""Results for people: tables, plots, pages.

summary  what a replay came to, as plain values
tables   the same in a terminal
plots    the same as a picture
page     the same as one self-contained HTML file
"""
