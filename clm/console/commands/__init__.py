"""Commands made by hand, a module for each noun; ``clm/console/root.py`` knows them all and imports the one called."""
