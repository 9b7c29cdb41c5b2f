"""A training configuration from YAML and from key=value words."""

from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.errors import Invalid, MedReasonError
from medreason.finetune.config_file import config_from_texts, read_config, write_config
from medreason.finetune.presets import CPU_DEMO, PRESETS
from tests.conftest import CHECKOUT

CONFIGS = CHECKOUT / "training_scripts" / "configs"


def yaml_file(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    config = TrainingConfig(run_name="007", learning_rate=5e-05, gradient_checkpointing=True, data="a: b #c.jsonl")
    write_config(config, tmp_path / "config.yaml")
    assert read_config(tmp_path / "config.yaml") == config


def test_numbers_names_and_switches_keep_their_meaning(tmp_path: Path) -> None:
    path = yaml_file(
        tmp_path, "run_name: 2024-01-05\nlearning_rate: 1e-4\ngradient_checkpointing: yes\nrevision:\n"
    )
    config = read_config(path)
    assert (config.run_name, config.learning_rate) == ("2024-01-05", 1e-4)
    assert (config.gradient_checkpointing, config.revision) == (True, "")


def test_words_replace_what_the_file_says(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "max_rows: 5\nepochs: 1\n")
    assert read_config(path, ["max_rows=7", "run_name=a=b".replace("a=b", "ab")]).max_rows == 7


def test_every_fault_of_file_and_words_is_named_together(tmp_path: Path) -> None:
    path = yaml_file(tmp_path, "learning_rat: 1\nlearning_rate: -1\nmax_rows: many\n")
    with pytest.raises(Invalid) as refused:
        read_config(path, ["run_name=../x", "epochs"])
    said = str(refused.value)
    for word in ("learning_rat'", "Learning rate", "Rows to use", "Run name", "--set"):
        assert word in said, said


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [1, 2", "not valid YAML"),
        ("- one\n- two\n", "name: value"),
        ("max_rows: [1]\n", "not a list"),
        ("max_rows: 1\nmax_rows: 2\n", "named twice"),
        ("max_rows: !!python/object/apply:os.system ['true']\n", "not a list"),
        ("a: &x b\nc: *x\n", "unknown"),
    ],
)
def test_other_yaml_is_refused_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(MedReasonError, match=sentence):
        read_config(yaml_file(tmp_path, text))


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="absent.yaml cannot be read"):
        read_config(tmp_path / "absent.yaml")


names = st.sampled_from([one.name for one in settings_of(TrainingConfig)])
hostile = st.one_of(
    st.text(max_size=30),
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(["; rm -rf /", "$(x)", "-1", "--help", "../x", "nan", "inf", "1e400", "true", "\n", "–1"]),
)


@given(st.dictionaries(names, hostile))
def test_any_texts_are_a_refusal_or_a_valid_config(texts: dict[str, str]) -> None:
    try:
        config = config_from_texts(texts)
    except Invalid as refused:
        assert all(fault.remedy for fault in refused.faults)
    else:
        assert TrainingConfig(**asdict(config)) == config
        assert "/" not in config.run_name and not config.run_name.startswith(".")


def test_the_forms_demo_is_the_configuration_file_of_that_name() -> None:
    assert read_config(CONFIGS / "demo_form.yaml") == TrainingConfig() == PRESETS[CPU_DEMO]


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_configuration_that_comes_along_is_valid_and_whole(path: Path) -> None:
    config = read_config(path)
    for field in fields(config):
        assert f"\n{field.name}:" in path.read_text(encoding="utf-8")
