"""`python -m sonnys_pipeline.cli` is `sonnys`."""

from sonnys_pipeline.cli import main

if __name__ == "__main__":
    main(prog_name="sonnys")
