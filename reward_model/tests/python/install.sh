#!/usr/bin/env bash
# install.sh VENV_DIR: torch for the CPU, transformers, sentence-transformers and peft, from PyPI alone (540 MB instead of 2.7 GB).
# Needs python3 with venv and pip, a C compiler and binutils. Does nothing when all is there already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:?install.sh VENV_DIR}
check() { HF_HUB_OFFLINE=1 "$venv/bin/python" -c 'import torch, transformers, sentence_transformers, peft' >/dev/null 2>&1; }
stamp="$venv/.parity-$(cksum "$here/requirements.txt" | cut -d' ' -f1)"
[ -f "$stamp" ] && check && exit 0
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile -r "$here/requirements.txt"
"$venv/bin/python" "$here/cpu_torch.py" 2>"$venv/cpu_torch.log" || true
if ! check; then
  echo "install.sh: torch does not start without CUDA's libraries here; installing them (2 GB)" >&2
  tail -n 3 "$venv/cpu_torch.log" >&2
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
  (cd "$site/torch/lib" && find . -name 'lib*.so*' -newer "$venv/pyvenv.cfg" -size -200k -regextype posix-extended -regex '.*/lib(cu|nv|nccl).*' -delete)
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.15.0
  check || { HF_HUB_OFFLINE=1 "$venv/bin/python" -c 'import torch, transformers, sentence_transformers, peft'; exit 1; }
fi
touch "$stamp"
