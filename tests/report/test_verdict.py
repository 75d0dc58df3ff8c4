from typing import Any

from edgedistill.report.run_facts import RunFacts
from edgedistill.report.run_page import render_run_page
from edgedistill.report.verdict import DO_NOT_SHIP, SHIP, WITH_CARE, verdict
from edgedistill.report.wording import told_apart
from tests.report.example_run import changed, good_run


def on_test(run: RunFacts | None = None, **values: Any) -> RunFacts:
    test = good_run().threshold["test"]
    recommended = {**test["recommended"], **values}
    return changed("threshold", run, test={**test, "recommended": recommended})


def test_the_verdict_says_what_the_app_gets():
    said = verdict(good_run())
    assert said.decision == SHIP
    assert said.text == (
        "Ship. The int8 file is right on 92.0% of 200 test photos that it had never seen. "
        "Answering only from a confidence of 0.61 on, the app answers 88.0% of them and is right "
        "on 95.5% of its answers, which meets the wanted 95.0%."
    )


def test_a_closed_gate_comes_first_with_its_reasons():
    run = changed("gate", ship=False, reasons=["Top-1 is 92.0%; 95.0% was asked for.", "Worse."])
    said = verdict(run)
    assert said.decision == DO_NOT_SHIP
    assert said.text.startswith("Do not ship. Top-1 is 92.0%; 95.0% was asked for. Worse. The int8")
    page = render_run_page(run)
    assert '<p class="lead bad">Do not ship. Top-1 is 92.0%' in page
    assert '<p class="lead good">Ship. ' in render_run_page(good_run())


def test_a_missed_target_is_not_praised_and_calls_for_care_where_chance_does_not_explain_it():
    within = verdict(on_test(accept_accuracy=0.94, accept_accuracy_interval=[0.9, 0.96]))
    assert "94.0% of its answers, which is short of the wanted 95.0%" in within.text
    assert within.decision == SHIP
    beyond = verdict(on_test(accept_accuracy=0.9, accept_accuracy_interval=[0.86, 0.93]))
    assert beyond.decision == WITH_CARE
    assert beyond.reasons[0] == (
        "The wanted 95.0% of right answers is missed on the test photos by more than chance "
        "explains (90.0%, with 95% confidence 86.0% to 93.0%)."
    )


def test_a_compromise_calls_for_care():
    said = verdict(changed("threshold", selection_method="utility_maximization"))
    assert said.decision == WITH_CARE
    assert said.reasons[0].startswith("No threshold reaches 95.0% right with 60.0% answered")


def test_a_threshold_of_0_names_no_confidence_to_answer_from():
    met = on_test(threshold=0.0, coverage=1.0, accept_accuracy=0.95)
    assert verdict(met).reasons == (
        "The int8 file is right on 92.0% of 200 test photos that it had never seen. At the "
        "threshold 0.00 the app answers every photo, never 'unknown', which meets the wanted "
        "95.0%.",
    )
    short = on_test(threshold=0.0, coverage=1.0, accept_accuracy=0.94)
    assert "never 'unknown', which is short of the wanted 95.0%" in verdict(short).text


def test_what_narrowly_misses_has_the_decimals_that_show_it():
    # 170 / 179 = 0.949720..., which is 95.0 % with one decimal
    every_photo = on_test(threshold=0.0, coverage=1.0, accept_accuracy=170 / 179)
    run = changed("metrics", every_photo, top1=170 / 179)
    text = verdict(run).text
    assert "right on 94.97% of 200 test photos" in text
    assert "is short of the wanted 95.00%" in text
    answering_less = verdict(on_test(accept_accuracy=170 / 179)).text
    assert "94.97% of its answers, which is short of the wanted 95.00%" in answering_less


def test_two_shares_get_as_few_decimals_as_tell_them_apart():
    assert told_apart(0.94, 0.95) == ("94.0%", "95.0%")
    assert told_apart(0.95, 0.95) == ("95.0%", "95.0%")
    assert told_apart(0.9496, 0.95) == ("94.96%", "95.00%")
    assert told_apart(0.94998, 0.95) == ("94.998%", "95.000%")
    assert told_apart(0.95 - 1e-9, 0.95) == ("95.0%", "95.0%")


def test_the_verdict_says_when_nothing_is_answered():
    run = on_test(
        accept_accuracy=None, accept_accuracy_interval=None, coverage=0.0, n_accepted=0,
        n_correct=0, kept=None,
    )  # fmt: skip
    said = verdict(run)
    assert said.decision == WITH_CARE
    assert "answer none of the test photos" in said.text
    assert "nothing answered" in render_run_page(run)


def test_a_gate_that_nobody_set_is_no_praise():
    open_gate = verdict(changed("gate", min_top1=0, baseline=None)).text
    assert open_gate.endswith("whether this is good enough is yours to say.")
    compared = changed("gate", min_top1=0, baseline={"uri": "earlier", "top1": 0.9})
    assert "yours to say" not in verdict(compared).text
