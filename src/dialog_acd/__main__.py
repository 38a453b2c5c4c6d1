"""``python -m dialog_acd``."""

from dialog_acd.cli import main

if __name__ == "__main__":
    main()
