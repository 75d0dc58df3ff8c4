from dataclasses import dataclass

import pytest

from edgedistill.declaration import Settings, declared_settings, required, setting
from edgedistill.errors import SettingError
from edgedistill.presets import resolve
from edgedistill.settings import (
    STEP_SETTINGS,
    CalibrateSettings,
    DistillerSettings,
    QatExportSettings,
    ScanSettings,
    SplitSettings,
    TeacherSettings,
    all_settings,
)


@dataclass(frozen=True, kw_only=True)
class OvenSettings(Settings):
    place: str = required("Where the oven stands.")
    heat: float = setting(180.0, "How hot.", gt=0, le=250)
    minutes: int = setting(30, "How long.", ge=1)
    fan: bool = setting(True, "Whether the air moves.")


def oven(name: str):
    return next(d for d in declared_settings(OvenSettings) if d.name == name)


def test_every_setting_has_help_and_all_steps_that_share_one_agree():
    for step in STEP_SETTINGS.values():
        for declared in declared_settings(step):
            assert declared.constraint.help.endswith(".")
            assert all_settings()[declared.name] == declared


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("heat", "200", 200.0),
        ("heat", "2e2", 200.0),
        ("heat", "250", 250.0),
        ("minutes", "7", 7),
        ("fan", "true", True),
        ("fan", "False", False),
        ("place", "a b", "a b"),
    ],
)
def test_text_becomes_the_value_it_stands_for(name, text, value):
    parsed = oven(name).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("heat", "0", "heat must be a number greater than 0 and at most 250; got 0.0."),
        ("heat", "250.1", "heat must be a number greater than 0 and at most 250; got 250.1."),
        ("heat", "nan", "heat must be a number greater than 0 and at most 250; got nan."),
        ("heat", "warm", "heat must be a number greater than 0 and at most 250; got warm."),
        ("minutes", "0", "minutes must be a whole number at least 1; got 0."),
        ("minutes", "1.5", "minutes must be a whole number at least 1; got 1.5."),
        ("fan", "maybe", "fan must be true or false; got maybe."),
        ("fan", "1", "fan must be true or false; got 1."),
    ],
)
def test_text_that_is_no_value_is_refused_with_one_sentence(name, text, sentence):
    with pytest.raises(SettingError) as caught:
        oven(name).parse(text)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    "wrong", [{"heat": "hot"}, {"minutes": 1.0}, {"minutes": True}, {"fan": 1}, {"place": 3}]
)
def test_an_instance_holds_values_of_the_declared_type_only(wrong):
    with pytest.raises(SettingError, match="must be"):
        OvenSettings(**{"place": "kitchen", **wrong})


def test_a_whole_number_will_do_for_a_number():
    assert OvenSettings(place="kitchen", heat=200).heat == 200


def test_a_setting_without_upper_limit_is_finite_all_the_same():
    with pytest.raises(SettingError, match="threshold_penalty_incorrect must be"):
        CalibrateSettings(threshold_penalty_incorrect=float("inf"))


def test_a_value_out_of_its_choices_is_refused_with_all_of_them():
    with pytest.raises(SettingError, match="must be one of int8, uint8; got float32"):
        QatExportSettings(tflite_inference_input_type="float32")


def test_fractions_must_add_up():
    sentence = r"must add up to 1; got 0\.8 \+ 0\.1 \+ 0\.2 = 1\.1\."
    with pytest.raises(SettingError, match=sentence):
        SplitSettings(test_frac=0.2)
    SplitSettings(train_frac=0.7, val_frac=0.2, test_frac=0.1)  # 0.9999999999999999 in doubles


@pytest.mark.parametrize(
    ("text", "arch", "sizes_px"),
    [
        ("auto", "efficientnet_b3", (300,)),
        ("auto", "resnet101", (224,)),
        ("auto", "efficientnet_lite2", (260,)),
        ("128", "resnet101", (128,)),
        ("auto", "resnet101,efficientnet_b3", (224, 300)),
        ("128", "resnet101,efficientnet_b3", (128,)),
    ],
)
def test_each_teachers_size_follows_its_network_unless_given(text, arch, sizes_px):
    settings = ScanSettings(data_dir="x", teacher_arch=arch, teacher_img_size=text)
    assert settings.teacher_sizes_px == sizes_px


def test_photos_are_packed_once_at_each_size_and_the_students_comes_first():
    several = ScanSettings(
        data_dir="x", student_img_size=224, teacher_arch="efficientnet_lite2,resnet101"
    )
    assert several.sizes_px == (224, 260)
    assert ScanSettings(data_dir="x", teacher_img_size="240").sizes_px == (240,)


def test_several_teachers_are_named_in_their_order_with_or_without_blanks():
    for text in ("resnet101,efficientnet_lite2", " resnet101 , efficientnet_lite2 "):
        assert TeacherSettings(teacher_arch=text).teacher_archs == (
            "resnet101", "efficientnet_lite2",
        )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "vgg", "resnet101,vgg", "resnet101,", "resnet101,resnet101", "resnet101 efficientnet_b3"],
)
def test_teachers_that_are_unknown_or_named_twice_are_refused(text):
    with pytest.raises(SettingError) as caught:
        ScanSettings(data_dir="x", teacher_arch=text)
    assert str(caught.value) == (
        "teacher_arch must be one or several of efficientnet_b3, resnet101, efficientnet_lite2, "
        f"each once and with commas between; got {text}."
    )


@pytest.mark.parametrize(
    ("arch", "weights", "starts"),
    [
        ("resnet101", "imagenet", ("imagenet",)),
        ("resnet101", "with, comma.h5", ("with, comma.h5",)),
        ("resnet101,efficientnet_b3", "none", ("none", "none")),
        ("resnet101,efficientnet_b3", "gs://b/r.h5, imagenet", ("gs://b/r.h5", "imagenet")),
    ],
)
def test_each_teacher_starts_from_weights_of_its_own(arch, weights, starts):
    settings = TeacherSettings(teacher_arch=arch, teacher_weights=weights)
    assert settings.teacher_starts == starts


@pytest.mark.parametrize("weights", ["one.h5", "none,none,none", "", "imagenet "])
def test_other_than_one_start_for_each_teacher_is_refused(weights):
    with pytest.raises(SettingError) as caught:
        TeacherSettings(teacher_arch="resnet101,efficientnet_b3", teacher_weights=weights)
    assert str(caught.value) == (
        "teacher_weights must be imagenet or none for all teachers, or have as many starts as "
        f"teacher_arch has networks, which is 2; got {weights}."
    )


def test_a_head_alone_needs_pretrained_weights_of_every_teacher():
    archs = "resnet101,efficientnet_lite2"
    TeacherSettings(teacher_arch=archs, teacher_weights="a.h5,imagenet", epochs_teacher=0)
    with pytest.raises(SettingError, match="epochs_teacher must be at least 1"):
        TeacherSettings(teacher_arch=archs, teacher_weights="imagenet,none", epochs_teacher=0)


def test_a_random_student_has_no_head_to_train_alone() -> None:
    assert DistillerSettings(epochs_student=0).epochs_student == 0
    with pytest.raises(SettingError, match="epochs_student must be at least 1"):
        DistillerSettings(epochs_student=0, student_weights="none")


def test_no_epochs_and_no_head_first_would_train_nothing() -> None:
    for settings in (TeacherSettings, DistillerSettings):
        assert not settings(head_first=False).head_first
    with pytest.raises(SettingError, match="epochs_teacher must be at least 1 where head_first"):
        TeacherSettings(head_first=False, epochs_teacher=0)
    with pytest.raises(SettingError, match="epochs_student must be at least 1 where head_first"):
        DistillerSettings(head_first=False, epochs_student=0)


@pytest.mark.parametrize("text", ["31", "1025", "-5", "big", "", "3e2", "²56"])
def test_a_teachers_size_that_is_no_size_is_refused(text):
    with pytest.raises(SettingError, match="teacher_img_size must be auto or a whole number"):
        ScanSettings(data_dir="x", teacher_img_size=text)


@pytest.mark.parametrize("text", ["", "-1", "65", "01", "1.0", "two", "²", " 1", "all"])
def test_a_number_of_gpus_that_is_none_is_refused(text):
    with pytest.raises(SettingError) as error:
        TeacherSettings(gpu_count=text)
    assert str(error.value) == (
        f"gpu_count must be auto or a whole number from 0 to 64; got {text!r}."
    )
    assert [TeacherSettings(gpu_count=t).gpu_count for t in ("auto", "0", "64")] == [
        "auto", "0", "64",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "../x", "-1", "a b", "1/2", "x" * 41, "1\n", "vé"])
def test_a_version_that_cannot_stand_in_a_files_name_is_refused(text):
    with pytest.raises(SettingError, match="model_version must be 1 to 40 letters, digits, dots"):
        CalibrateSettings(model_version=text)
    assert CalibrateSettings(model_version="2026.11-rc_1").model_version == "2026.11-rc_1"


def test_an_endpoint_that_is_no_address_is_refused():
    with pytest.raises(SettingError, match="s3_endpoint must begin with http:// or https://; got "):
        ScanSettings(data_dir="x", s3_endpoint="minio:9000")


def test_a_step_takes_its_own_settings_out_of_all():
    values = resolve({"data_dir": "x", "threshold_min_coverage": 0.5})
    assert CalibrateSettings.choose(values) == CalibrateSettings(threshold_min_coverage=0.5)


def test_help_tells_unit_and_range():
    shown = {d.name: d.help_text() for d in declared_settings(CalibrateSettings)}
    assert shown["threshold_min_coverage"].endswith("answered. (at least 0 and at most 1)")
    assert "(px, at least 32 and at most 1024)" in all_settings()["student_img_size"].help_text()
