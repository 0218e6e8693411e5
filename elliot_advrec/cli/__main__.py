"""``python -m elliot_advrec.cli``."""

from elliot_advrec.cli import main

if __name__ == "__main__":
    main()
