"""`python -m alcove …` is the same as `alcove …`."""

from alcove.cli import main

if __name__ == "__main__":
    main()
