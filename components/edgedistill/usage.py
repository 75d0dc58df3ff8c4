"""What --help shows."""

from edgedistill.arguments import COMPARE_OPTIONS, VERIFY_OPTIONS, help_page, options_help

EXAMPLES = """\
Turns folders of photos into an int8 TFLite image classifier for phones.

  Try it on built-in data, in a few minutes:
    python pipeline.py run --data_dir sample --preset quick --output_dir out

  Train on your own photos, one folder a class:
    python pipeline.py run --data_dir photos --output_dir out

  Repeat a run, to see whether it gives the same file again:
    python pipeline.py verify out

  Hold runs against the first of them, on one page:
    python pipeline.py compare out out2

  Compile for Kubeflow Pipelines, into manifests/ and component.yaml:
    python pipeline.py compile

python pipeline.py run --help lists every setting."""
_RUN_USAGE = (
    "python pipeline.py run --data_dir FOLDER --output_dir FOLDER [--name value ...]\n\n"
    "Runs the pipeline on this machine. A second run of the same command reuses finished steps."
)

_VERIFY_USAGE = (
    "python pipeline.py verify FOLDER [--data_dir PLACE] [--keep true]\n\n"
    "Repeats the run that FOLDER holds, and says whether it gives the same file, or where the\n"
    "first difference is: data, split, teacher, student or file. Exit status 0: the same;\n"
    "1: it differs; 2: it cannot be judged."
)

_COMPARE_USAGE = (
    "python pipeline.py compare FOLDER FOLDER ... [--output FILE] [--overwrite true]\n\n"
    "Writes a page that holds 2 to 10 finished runs against the first of them: figures with\n"
    "intervals, photos whose answer changed, classes, settings and machines that differ.\n"
    "An earlier page of compare is replaced, another file only with --overwrite true.\n"
    "Exit status 0: the page is written; 2: a run or the page's place cannot be used."
)


def usage(command: str) -> str:
    """The page of a command's --help; examples of all, where it has none."""
    if command == "run":
        return help_page(_RUN_USAGE)
    if command == "verify":
        return options_help(_VERIFY_USAGE, VERIFY_OPTIONS)
    if command == "compare":
        return options_help(_COMPARE_USAGE, COMPARE_OPTIONS)
    return EXAMPLES
