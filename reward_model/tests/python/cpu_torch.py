"""Lets PyPI's CUDA build of torch run on the CPU without NVIDIA's 2 GB of libraries.

The wheel links against CUDA's libraries even where no GPU is: they must be found, not work. This builds a stand-in for
each missing one, with the symbols that torch asks of it; every function answers 100, cudaErrorNoDevice. Needs a C compiler and binutils. Run by the virtual environment's Python, before torch is imported.
"""

import glob
import os
import re
import subprocess
import sys
import sysconfig
import tempfile

LIB = os.path.join(sysconfig.get_paths()["purelib"], "torch", "lib")
CUDA = re.compile(r"^lib(cu|nv|nccl)")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


libraries = [f for f in glob.glob(os.path.join(LIB, "*.so*")) + glob.glob(os.path.join(LIB, "..", "_C*.so"))]
own = {os.path.basename(f) for f in libraries}
missing, symbols, defined = set(), {}, set()
for library in libraries:
    for name in re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", "-W", library)):
        # libcuda is the driver's own; only parts that are loaded with a GPU present link to it.
        if CUDA.match(name) and name not in own and not name.startswith("libcuda.so"):
            missing.add(name)
    for line in run("nm", "-D", library).splitlines():
        kind, name = line.split()[-2:]
        symbol, _, version = name.partition("@")
        version = version.lstrip("@")
        if kind == "U":
            symbols.setdefault(symbol, set()).add(version)
        elif kind not in "wvV":
            defined.add(symbol)

PREFIX = (
    ("libcublasLt", "cublasLt"), ("libcublas", "cublas"), ("libcudart", "cuda"), ("libcudnn", "cudnn"), ("libcufft", "cufft"),
    ("libcufile", "cuFile"), ("libcusparseLt", "cusparseLt"), ("libcusparse", "cusparse"), ("libnccl", "nccl"),
    ("libnvrtc", "nvrtc"), ("libcupti", "cupti"), ("libnvshmem", "nvshmem"), ("libcusolver", "cusolver"),
)
made = {}
for symbol, versions in symbols.items():
    if symbol in defined:
        continue
    for version in versions:
        home = version if version in missing else None
        if home is None and not version:
            short = next((lib for lib, prefix in PREFIX if symbol.startswith(prefix)), None)
            home = next((name for name in missing if short and name.startswith(short + ".so")), None)
            home = home or next((name for name in missing if short and name.startswith(short)), None)
        if home is None and version:
            home = next((name for name in missing if version.lower() in name), None)
        if home:
            made.setdefault(home, {}).setdefault(version, set()).add(symbol)

with tempfile.TemporaryDirectory() as folder:
    for name in sorted(missing):
        source, script = os.path.join(folder, "stub.c"), os.path.join(folder, "stub.map")
        versions = made.get(name, {})
        every = sorted(set().union(*versions.values())) if versions else []
        with open(source, "w") as f:
            for symbol in every:
                if re.search("Error(String|Name)$|_get_last_error|GetErrorString", symbol):
                    f.write(f'const char *{symbol}(void) {{ return "no CUDA here"; }}\n')
                else:
                    f.write(f"long {symbol}(void) {{ return 100; }}\n")
        command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-w", "-fno-builtin", "-o", os.path.join(LIB, name)]
        command += [f"-Wl,-soname,{name}", source]
        tagged = {version: names for version, names in versions.items() if version}
        if tagged:
            with open(script, "w") as f:
                for version, names in sorted(tagged.items()):
                    f.write(f"{version} {{ global: {' '.join(s + ';' for s in sorted(names))} }};\n")
            command.append(f"-Wl,--version-script={script}")
        subprocess.run(command, check=True)
        print(f"{name}: {len(every)} symbols", file=sys.stderr)
