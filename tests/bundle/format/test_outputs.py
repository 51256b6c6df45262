"""Bundles whose output is no image."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import parse_manifest
from mirage.bundle.format.outputs import OUTPUTS
from mirage.bundle.format.verify import load_bundle
from mirage.bundle.store.report import card, table
from tests.bundle.format.test_manifest import HASH, SOUND, refusal
from tests.bundles import reseal
from tests.generators import MADE, ToySequences, publish_generator

AUDIO = {"name": "audio", "dtype": "int16", "shape": ["N", 8000], "meaning": "audio"}
TOKENS = {"name": "tokens", "dtype": "uint8", "shape": ["N", 96], "meaning": "tokens"}
SPEECH = SOUND | {"outputs": [AUDIO], "sound": {"sample_rate": 8000}}
DNA = SOUND | {"outputs": [TOKENS], "sequence": {"alphabet": "ACGT", "padding": None}}


@pytest.mark.parametrize("fields", [SPEECH, DNA])
def test_round_trips_a_model_of_another_output(fields: dict[str, Any]) -> None:
    manifest = parse_manifest(json.dumps(fields).encode())
    assert parse_manifest(manifest.model_dump_json().encode()) == manifest


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (SPEECH | {"sound": None}, "sound is None; output audio does not allow that"),
        (SPEECH | {"sequence": DNA["sequence"]}, "output audio does not allow that"),
        (DNA | {"sound": SPEECH["sound"]}, "output tokens does not allow that"),
        (SOUND | {"sound": SPEECH["sound"]}, "output images does not allow that"),
        (SPEECH | {"sound": {"sample_rate": 0}}, "sound.sample_rate: Input should be greater"),
        (SPEECH | {"outputs": [AUDIO | {"dtype": "uint8"}]}, "audio is uint8; int16 is allowed"),
        (SPEECH | {"outputs": [AUDIO | {"shape": ["N", 2**20 + 1]}]}, "outputs.0.shape.1"),
        (SPEECH | {"outputs": [AUDIO | {"shape": ["N", "T"]}]}, "only N may be free"),
        (DNA | {"outputs": [TOKENS | {"shape": ["N", 2**16 + 1]}]}, "up to 65536 of tokens"),
        (DNA | {"outputs": [TOKENS, TOKENS]}, "outputs are tokens, tokens; one of images"),
        (DNA | {"sequence": {"alphabet": "ACCT", "padding": None}}, "must be different printable"),
        (DNA | {"sequence": {"alphabet": "AC\nT", "padding": None}}, "must be different printable"),
        (DNA | {"sequence": {"alphabet": "A", "padding": None}}, "at least 2 characters"),
        (DNA | {"sequence": {"alphabet": "ACGT", "padding": "N"}}, "padding is 'N'; a character"),
        (DNA | {"sequence": {"alphabet": "ACGT", "padding": "AC"}}, "padding is 'AC'; a character"),
        (DNA | {"sequence": {"alphabet": "ACGT"}}, "sequence.padding: Field required"),
        (
            DNA | {"files": SOUND["files"] | {"encoder.onnx": {"sha256": HASH, "size_bytes": 1}}},
            "files must not list encoder.onnx; output tokens forbids that",
        ),
    ],
)
def test_names_an_invalid_field_of_another_output(fields: dict[str, Any], named: str) -> None:
    error = refusal(json.dumps(fields).encode())
    assert error.reason == "manifest_invalid"
    assert named in str(error)


@pytest.mark.parametrize("fields", [SPEECH, DNA])
def test_format_6_has_no_other_outputs(fields: dict[str, Any]) -> None:
    old = {name: fields[name] for name in fields if name not in ("sound", "sequence")}
    error = refusal(json.dumps(old | {"format_version": 6}).encode())
    assert "does not allow that" in str(error)
    assert "no field of format 6" in str(
        refusal(json.dumps(fields | {"format_version": 6}).encode())
    )


def test_describes_a_difference_of_alphabets() -> None:
    other = DNA | {"sequence": {"alphabet": "ACGU", "padding": None}}
    own, others = (parse_manifest(json.dumps(each).encode()) for each in (DNA, other))
    assert own.tell_difference(others).startswith("sequence is Symbols(alphabet='ACGT'")


@pytest.mark.parametrize("made", MADE)
def test_a_published_bundle_verifies_and_its_graph_makes_the_golden_output(
    tmp_path: Path, made: Any
) -> None:
    bundle = load_bundle(publish_generator(tmp_path, MADE[made], "toy"))
    (case,) = bundle.golden.cases
    (found,) = onnxruntime.InferenceSession(bundle.model).run(None, case.inputs)
    output = OUTPUTS[made]
    largest, mean = output.allowed(bundle.manifest.golden_tolerance, False)
    differences = output.differences(found, case.output)
    assert differences.max() <= largest
    assert differences.mean() <= mean
    assert output.differences(found[::-1], case.output).mean() > output.allowed(1.0, True)[1]


def test_golden_tokens_are_of_the_alphabet(tmp_path: Path) -> None:
    path = publish_generator(tmp_path, ToySequences(alphabet="ACGT"), "toy")
    reseal(path, sequence={"alphabet": "ACG", "padding": None})
    with pytest.raises(BundleError, match="tokens must be at most 2"):
        load_bundle(path)


def test_reports_tell_the_form_of_the_output(tmp_path: Path) -> None:
    publish_generator(tmp_path, MADE["audio"], "speech")
    publish_generator(tmp_path, ToySequences(alphabet="_abcdefghij", padding="_"), "words")
    publish_generator(tmp_path, ToySequences(), "dna")
    listed = table(tmp_path)
    assert "0.005 s at 8000 Hz" in listed
    assert "12 of ACGT" in listed
    shown = " ".join(card(tmp_path, "words", 1).split())
    assert "tokens 12 of 11 symbols" in shown
    assert "alphabet _abcdefghij; '_' ends a sequence" in shown
    assert "golden tolerance 1 % of tokens" in shown


def test_differences_of_samples_do_not_overflow() -> None:
    low, high = np.array([-32768], np.int16), np.array([32767], np.int16)
    assert OUTPUTS["audio"].differences(low, high).tolist() == [65535]
