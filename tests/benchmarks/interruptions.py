"""200 interruptions of small trainings, each of which must end as if there had been none.

    python -m tests.benchmarks.interruptions [--kills 67] [--seed 1] [--quick]

tests/tf/interrupted_training.py, which the tests run with a few, with `--kills` for each kind of
training: the teacher alone; the student, taught anew in each step, photos mixed; the student with
fake quantisation, answers stored. A training is ended by SIGKILL or by SIGTERM, as chance has it,
at a random moment, started again, and so on; in the end its weights are compared, byte by byte,
with those of one that was left alone.

Wanted: the same bytes after 200 interruptions at random points.

Seen on 29 November 2026 (2 cores, at low priority beside another training): 201 interruptions, 67
of each kind; all three ended with equal bytes.
"""

import argparse
import subprocess
import sys
import tempfile
import time

KINDS = ("teacher", "student", "qat")


def interrupted(kind: str, kills: int, seed: int) -> tuple[bool, int]:
    """Whether the digests are equal, and how many interruptions there were.

    Raises:
        SystemExit: the program failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.tf.interrupted_training", folder, kind, str(kills),
             str(seed)],
            stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{kind}: the training failed with status {done.returncode}")
    undisturbed, disturbed = (line.split() for line in done.stdout.splitlines()[-2:])
    # "DIGEST undisturbed, N s" and "DIGEST after N interruptions"
    return undisturbed[0] == disturbed[0], int(disturbed[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=67, help="of each kind; 67: 201 in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--quick", action="store_true", help="a try: 2 of the teacher")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.kills, arguments.kinds = 2, KINDS[:1]
    n_interruptions, all_equal = 0, True
    print("kind      interruptions   bytes        seconds")  # noqa: T201
    for kind in arguments.kinds:
        begun = time.monotonic()
        is_equal, count = interrupted(kind, arguments.kills, arguments.seed)
        verdict = "equal" if is_equal else "DIFFERENT"
        seconds = time.monotonic() - begun
        print(f"{kind:10}{count:13}   {verdict:10}{seconds:10.0f}", flush=True)  # noqa: T201
        n_interruptions, all_equal = n_interruptions + count, all_equal and is_equal
    print(f"{n_interruptions} interruptions in all")  # noqa: T201
    if not all_equal:
        raise SystemExit("an interrupted training ended with other bytes")


if __name__ == "__main__":
    main()
