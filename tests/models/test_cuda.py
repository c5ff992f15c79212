"""CUDA: code generation and compilation without a GPU, what is said where something is missing, and results on a GPU."""

import dataclasses
import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import assert_same_run

from brianprop.analysis.runs import Run
from brianprop.experiments.benchmarks.cuda_check import UNRELIABLE, check_nbp, check_ssnn_bp, check_unreliable_nbp
from brianprop.experiments.benchmarks.cuda_check import main as cuda_check
from brianprop.experiments.cli.main import main as brianprop
from brianprop.experiments.training.commands import evaluate
from brianprop.models import simulation
from brianprop.models.errors import BuildError, RunError
from brianprop.models.nbp.circuit import inference_circuit, training_circuit
from brianprop.models.nbp.model import GatedModel
from brianprop.models.nbp.parameters import NBP
from brianprop.models.simulation import cuda, simulator
from brianprop.models.simulation.generate import CUDA, generate
from brianprop.models.simulation.replicas import Replicas
from brianprop.models.simulation.standalone import StandaloneSimulator
from brianprop.models.ssnn_bp.model import SSNNModel
from brianprop.models.ssnn_bp.parameters import SSNN

EMULATOR = Path(__file__).parents[1] / "cuda_emulator"
SMALL_SSNN = SSNN(n_in=8, hidden=(6, 5), n_out=3, steps=5, biases=True)
SMALL_NBP = NBP(n_in=16, hidden=(6,), n_out=3)
DEEP_NBP = NBP(n_in=16, hidden=(6, 5), n_out=3, feedback="random")
UNRELIABLE_NBP = dataclasses.replace(SMALL_NBP, **UNRELIABLE[0], **UNRELIABLE[1])

#: Two hidden layers with everything that is imperfect but draws no number in the run.
SCATTERED = {
    "hidden": (20, 16),
    "rules": {"feedback": "random", "theta_spread": 0.002, "lesioned": 0.05, "h_dead": 0.02, "margin": 64.0},
}


def models():
    yield "nbp", GatedModel(training_circuit(SMALL_NBP), SMALL_NBP)
    yield "nbp-inference", GatedModel(inference_circuit(SMALL_NBP), SMALL_NBP)
    yield (
        "nbp-replicas",
        Replicas([GatedModel(training_circuit(p), p) for p in (SMALL_NBP, NBP(n_in=16, hidden=(6,), n_out=3, eta_plus=4))]),
    )
    deep = (GatedModel(training_circuit(p), p) for p in (DEEP_NBP, dataclasses.replace(DEEP_NBP, theta=960.0)))
    yield "nbp-deep-replicas", Replicas(list(deep))
    yield "nbp-unreliable-replicas", Replicas([GatedModel(training_circuit(UNRELIABLE_NBP), UNRELIABLE_NBP)] * 2)
    yield "ssnn-bp", SSNNModel(SMALL_SSNN, learns=True)
    yield "ssnn-bp-inference", SSNNModel(SMALL_SSNN, learns=False)
    yield "ssnn-bp-replicas", Replicas([SSNNModel(SMALL_SSNN, learns=True)] * 3)


MODELS = dict(models())


@pytest.fixture
def package():
    pytest.importorskip("brian2cuda", reason="brian2cuda is not installed (extra cuda, Python 3.12)")


# those of one network that learns are parts of those of several
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ("nbp", "ssnn-bp") else name for name in MODELS]
)
def test_code_is_generated_without_a_gpu(package, name, tmp_path, monkeypatch):
    monkeypatch.setenv(cuda.ARCHITECTURES, "80,90")
    model = MODELS[name]
    generated = generate(tmp_path, model, CUDA)
    assert all(f"{block}.w" in generated["arrays"] for block in model.learned)
    main, objects = (tmp_path / "main.cu").read_text(), (tmp_path / "objects.cu").read_text()
    assert "brianprop::run_turns(" in main and main.index("run_turns(") < main.index("run_finished()")
    assert "tolower" not in objects
    # what is counted pair by pair takes minutes for networks side by side
    created = list((tmp_path / "code_objects").glob("*_synapses_create_*.cu"))
    assert created and not any("source_target_count" in path.read_text() for path in created)
    # time steps are counted in more bits than a float has
    sources = [path.read_text() for path in (tmp_path / "code_objects").glob("*.cu")]
    assert any("floor(1.0*x/y)" in text for text in sources) and not any("1.0f*x/y" in text for text in sources)
    # j is the target of a synapse, and each synapse draws random numbers of its own
    pathways = [text for text in sources if "propagating_synapses" in text]
    assert pathways and not any("int j = " in re.sub("const int32_t j = ", "", text) for text in pathways)
    assert all("_vectorisation_idx = _idx;" in text and "_vectorisation_idx = j;" not in text for text in pathways)
    # arrows with a delay ask the default clock for the time
    assert re.search(r"network\.add\(&defaultclock, _run_", main) and "steps" not in main.split("network.add")[1].split("(")[1]
    # one precision in all arrays of the neurons, but time
    floats = set(re.findall(r"(float|double) \* brian::_array_(?:neurons|hidden1)_\w+;", objects))
    assert floats == {"float"}


def test_flags_name_the_architectures_and_keep_arithmetic_exact(monkeypatch):
    monkeypatch.setenv(cuda.ARCHITECTURES, "80,90")
    monkeypatch.setattr(cuda, "curand", lambda: None)
    words = [word for part in cuda.build_flags() for word in part]
    assert "arch=compute_80,code=sm_80" in words and "arch=compute_90,code=sm_90" in words
    assert not any("fast_math" in word or "fast-math" in word for word in words)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_code_compiles_for_two_generations(package, name, monkeypatch):
    try:
        cuda.nvcc(), cuda.curand()
    except BuildError as error:
        pytest.skip(str(error))
    monkeypatch.setenv(cuda.ARCHITECTURES, "80,90")
    binary = simulation.build(MODELS[name], "cuda") / "main"
    assert os.access(binary, os.X_OK)
    listed = (
        subprocess.run(["cuobjdump", "--list-elf", str(binary)], capture_output=True, text=True) if _has("cuobjdump") else None
    )
    if listed is not None and not listed.returncode:
        assert "sm_80" in listed.stdout and "sm_90" in listed.stdout


def _has(program):
    return any(os.access(os.path.join(folder, program), os.X_OK) for folder in os.environ["PATH"].split(os.pathsep))


def test_what_is_missing_is_one_sentence(monkeypatch, tmp_path):
    model = MODELS["nbp"]
    for function in (cuda.nvcc, cuda.gpu, cuda.curand):
        function.cache_clear()
    monkeypatch.setattr(cuda, "package_version", lambda: "1.0b1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cuda, "STANDARD_PLACE", str(tmp_path))
    with pytest.raises(
        BuildError, match=r"nvcc is not on PATH; install the CUDA toolkit 12 or 13, or use --device cpp_standalone\."
    ):
        simulator(model, device="cuda")
    monkeypatch.setattr(cuda, "nvcc", lambda: ("/opt/cuda/bin/nvcc", "13.0"))
    monkeypatch.setattr(cuda, "curand", lambda: None)
    with pytest.raises(BuildError, match="no NVIDIA GPU to run on"):
        simulator(model, device="cuda")
    # a program that says what a machine without a driver says
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho No devices were found\nexit 6\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    cuda.gpu.cache_clear()
    with pytest.raises(BuildError, match="nvidia-smi: No devices were found"):
        cuda.gpu()
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho NVIDIA H200, 9.0\n")
    cuda.gpu.cache_clear()
    assert cuda.gpu() == ("NVIDIA H200", "90")
    monkeypatch.delenv(cuda.ARCHITECTURES, raising=False)
    assert cuda.architectures() == ("90",)
    for function in (cuda.gpu,):
        function.cache_clear()


def test_a_missing_package_is_one_sentence(monkeypatch):
    def absent(name):
        raise cuda.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(cuda.metadata, "version", absent)
    with pytest.raises(
        BuildError, match=r"brian2cuda is not installed; install it on Python 3\.12 with 'pip install brianprop\[cuda\]'"
    ):
        cuda.package_version()


@pytest.mark.parametrize("text", ["hopper", "80,,90", "9"])
def test_architectures_are_numbers(monkeypatch, text):
    monkeypatch.setenv(cuda.ARCHITECTURES, text)
    with pytest.raises(BuildError, match="must name compute capabilities, such as 80,90"):
        cuda.architectures()


def test_sources_of_another_version_are_refused(monkeypatch, tmp_path):
    (tmp_path / "objects.cu").write_text("nothing of what is looked for")
    monkeypatch.setattr(cuda, "package_version", lambda: "9.9")
    with pytest.raises(BuildError, match=r"objects\.cu of Brian2CUDA 9\.9 is not as expected; install brian2cuda 1\.0b1"):
        cuda.mend(tmp_path)


@pytest.fixture
def emulated(package, monkeypatch):
    """Compiler and GPU are those of tests/cuda_emulator: kernels run on a processor, their threads in any order."""
    forget = [function.cache_clear for function in (cuda.nvcc, cuda.gpu, cuda.curand)]
    [clear() for clear in forget]
    monkeypatch.setenv("PATH", f"{EMULATOR / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(cuda.ARCHITECTURES, raising=False)
    yield
    [clear() for clear in forget]


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "rules"), [((60,), {}), SCATTERED.values()])
def test_nbp_on_emulated_cuda_equals_nbp_on_a_core(emulated, hidden, rules):
    check_nbp(n_samples=100, hidden=hidden, **rules)


@pytest.mark.slow
@pytest.mark.parametrize("rules", UNRELIABLE)
def test_unreliable_nbp_on_emulated_cuda_has_the_means_of_a_core(emulated, rules):
    check_unreliable_nbp(n_samples=150, **rules)


@pytest.mark.slow
def test_ssnn_bp_on_emulated_cuda_has_the_means_of_a_core(emulated):
    check_ssnn_bp()


@pytest.mark.slow
@pytest.mark.parametrize("copies", [1, 3])
def test_a_training_on_emulated_cuda_is_that_on_a_core(emulated, tmp_path, copies):
    command = ["train", "nbp", "--hidden", "20", "--samples", "40", "--epochs", "2", "--replicas", str(copies)]
    runs = {name: tmp_path / name for name in ("cpp_standalone", "cuda")}
    for name, run in runs.items():
        assert brianprop([*command, "--device", name, "--out", str(run)]) == 0
    names = ["."] if copies == 1 else [f"seed{seed}" for seed in range(copies)]
    for name in names:
        found, expected = (Run.open(run / name) for run in (runs["cuda"], runs["cpp_standalone"]))
        assert_same_run(found, expected)
    # the images of an evaluation are divided among copies of the network
    evaluated = [evaluate(runs["cuda"] / names[0], device=device, replicas=4) for device in runs]
    assert {**evaluated[0], "seconds": 0} == {**evaluated[1], "seconds": 0}


@pytest.mark.cuda
@pytest.mark.parametrize(("hidden", "rules"), [((60,), {}), SCATTERED.values()])
def test_nbp_on_a_gpu_equals_nbp_on_a_core(hidden, rules):
    check_nbp(hidden=hidden, **rules)


@pytest.mark.cuda
@pytest.mark.parametrize("rules", UNRELIABLE)
def test_unreliable_nbp_on_a_gpu_has_the_means_of_a_core(rules):
    check_unreliable_nbp(**rules)


@pytest.mark.cuda
def test_ssnn_bp_on_a_gpu_has_the_means_of_a_core():
    check_ssnn_bp()


@pytest.mark.slow
def test_the_checks_find_what_differs(monkeypatch):
    # C++ against itself: nBP is equal bit by bit, SSNN-BP with other random numbers is equal in its means
    check_nbp("cpp_standalone", 30)
    check_ssnn_bp("cpp_standalone", 400)
    for rules in UNRELIABLE:
        check_unreliable_nbp("cpp_standalone", **rules)
    # one of the two runs sees other samples
    original, calls = StandaloneSimulator._run, []

    def changed(self, weights, stimuli, samples, *options):
        calls.append(1)
        return original(self, weights, stimuli, samples if len(calls) % 2 else samples[:, ::-1] // 2, *options)

    monkeypatch.setattr(StandaloneSimulator, "_run", changed)
    with pytest.raises(RunError, match="nBP on cpp_standalone differs from C"):
        check_nbp("cpp_standalone", 30)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rules", "other"),
    [
        (UNRELIABLE[0], {"weight_noise": 50.0}),
        (UNRELIABLE[0], {"fail_forward": 0.13}),
        (UNRELIABLE[0], {"fail_backward": 0.8}),
        (UNRELIABLE[1], {"gate_late": 0.1}),
        (UNRELIABLE[1], {"gate_missing": 0.1}),
    ],
)
def test_the_check_of_unreliable_nbp_finds_other_noise(monkeypatch, rules, other):
    calls = []

    def of_other_noise(replicas, device):
        calls.append(device)
        model = replicas.models[0]
        if len(calls) % 2:
            model = GatedModel(model.circuit, dataclasses.replace(model.rules, **other))
        return simulator(Replicas([model] * len(replicas.models)), device=device)

    monkeypatch.setattr("brianprop.experiments.benchmarks.cuda_check.simulator", of_other_noise)
    with pytest.raises(
        RunError, match=r"nBP on cpp_standalone differs from C\+\+ in (spikes|change|mean|s\.d\.|correlation) of"
    ):
        check_unreliable_nbp("cpp_standalone", **rules)
    assert len(calls) in (2, 4)  # without learning, or with it


def test_a_training_that_lacks_cuda_leaves_nothing(monkeypatch, tmp_path, capsys):
    def missing():
        raise BuildError("There is no NVIDIA GPU to run on.")

    monkeypatch.setattr(cuda, "package_version", missing)
    assert brianprop(["train", "nbp", "--device", "cuda", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err == "brianprop: There is no NVIDIA GPU to run on.\n"
    assert not (tmp_path / "run").exists()


def test_the_check_says_what_is_missing(monkeypatch, tmp_path, capsys):
    def missing():
        raise BuildError("There is no NVIDIA GPU to run on.")

    monkeypatch.setattr(cuda, "package_version", lambda: "1.0b1")
    monkeypatch.setattr(cuda, "nvcc", missing)
    assert cuda_check(["--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "cuda_check: There is no NVIDIA GPU to run on.\n"
