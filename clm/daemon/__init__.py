"""The program wawel-clm: what it consists of, its settings, its command line."""
