import { isTooOld } from '../setUp/findPython';
import { type FullProbe, parseProbe, PROBE_SCRIPT } from '../setUp/probe';
import { quote, quoteAll } from './quote';

const BEGIN = 'lm-transparency looks';

/** An interpreter on the other side. */
export interface RemotePython extends FullProbe {
  path: string;
}

/** The result of inspecting a machine. Memory in bytes; `freeBytes`: of the disk. */
export interface Machine {
  system: string;
  architecture: string;
  home: string;
  /** Where our own environments are. */
  data: string;
  freeBytes: number | null;
  gpus: { name: string; memoryBytes: number; freeBytes: number }[];
  uv: string;
  /** The interpreter of the environment that was set up here. */
  own: string | null;
  pythons: RemotePython[];
}

const NAMES = ['python3.12', 'python3.11', 'python3.13', 'python3.10', 'python3.14', 'python3', 'python'];

/** A script for a POSIX shell that reports all this in one round trip. `named`: additional interpreters to ask. */
export function machineScript(named: readonly string[]): string {
  return `
printf '\\n%s\\n' ${quote(BEGIN)}
printf 'system %s\\n' "$(uname -s)"
printf 'architecture %s\\n' "$(uname -m)"
printf 'home %s\\n' "$HOME"
data="\${XDG_DATA_HOME:-$HOME/.local/share}/lm-transparency"
printf 'data %s\\n' "$data"
near="$data"
while [ ! -d "$near" ]; do near=$(dirname "$near"); done
df -Pk "$near" 2>/dev/null | awk 'NR==2 {print "free " $4}'
limit=''
command -v timeout >/dev/null 2>&1 && limit='timeout 10'
$limit nvidia-smi --query-gpu=name,memory.total,memory.free --format=csv,noheader,nounits 2>/dev/null | sed 's/^/gpu /'
uv=$(command -v uv || ls "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv" 2>/dev/null | head -n 1)
printf 'uv %s\\n' "$uv"
ask() {
  [ -x "$1" ] || return 0
  printf 'python %s\\n' "$1"
  "$1" -I -c ${quote(PROBE_SCRIPT)} </dev/null 2>/dev/null
}
folder=$(sed -n 's/.*"folder" *: *"\\([0-9a-f]\\{8\\}\\)".*/\\1/p' "$data/environment.json" 2>/dev/null)
if [ -n "$folder" ]; then
  printf 'own %s\\n' "$data/env/$folder/bin/python"
  ask "$data/env/$folder/bin/python"
fi
for python in ${quoteAll(named)}; do
  case "$python" in '~/'*) python="$HOME/\${python#??}";; esac
  if [ -d "$python" ]; then python="$python/bin/python"; fi
  ask "$python"
done
[ -r "$HOME/.conda/environments.txt" ] && head -n 20 "$HOME/.conda/environments.txt" | while IFS= read -r prefix; do
  ask "$prefix/bin/python"
done
for name in ${NAMES.join(' ')}; do
  python=$(command -v "$name") && ask "$python"
done
printf 'end\\n'
`;
}

/** Reads the script's output; null if the script did not finish. */
export function readMachine(output: string): Machine | null {
  const [, told] = output.split(`\n${BEGIN}\n`, 2);
  const lines = told?.split('\n') ?? [];
  if (!lines.includes('end')) return null;
  const valueOf = (key: string) => lines.find((line) => line.startsWith(`${key} `))?.slice(key.length + 1) ?? '';
  const free = Number(valueOf('free'));
  return {
    system: valueOf('system'),
    architecture: valueOf('architecture'),
    home: valueOf('home'),
    data: valueOf('data'),
    freeBytes: valueOf('free') !== '' && Number.isFinite(free) ? free * 1024 : null,
    gpus: lines.filter((line) => line.startsWith('gpu ')).flatMap(readGpu),
    uv: valueOf('uv'),
    own: valueOf('own') || null,
    pythons: pythonsOf(lines),
  };
}

function readGpu(line: string): Machine['gpus'] {
  const [name = '', total, free] = line.slice('gpu '.length).split(/, */);
  // a driver that is out of order prints a sentence
  if (total === undefined || !Number.isFinite(Number(total))) return [];
  return [{ name, memoryBytes: Number(total) * 1048576, freeBytes: (Number(free) || 0) * 1048576 }];
}

function pythonsOf(lines: readonly string[]): RemotePython[] {
  const found = new Map<string, RemotePython>();
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('python ')) continue;
    const path = line.slice('python '.length);
    const probe = parseProbe(lines[index + 1] ?? '');
    // several names of one interpreter are one
    if (probe && !found.has(probe.executable)) found.set(probe.executable, { ...probe, path });
  }
  return [...found.values()];
}

/** The best interpreter to build an environment from; null where none will do. */
export function baseOf(machine: Machine): RemotePython | null {
  const fits = (python: RemotePython) => !isTooOld(python) && python.is64Bit && !isOurs(machine, python);
  return machine.pythons.find((python) => fits(python) && (python.hasVenv || machine.uv !== '')) ?? null;
}

export function isOurs(machine: Machine, python: RemotePython): boolean {
  return python.path.startsWith(`${machine.data}/env/`);
}

/** Why nothing can be set up or run on this machine; null if it can. */
export function refuseMachine(host: string, machine: Machine): { message: string; remedy: string } | null {
  const { system, architecture } = machine;
  if (system !== 'Linux' && system !== 'Darwin') {
    return { message: `${host} runs ${system}; the remote backend needs Linux or macOS.`, remedy: '' };
  }
  const knows = /^(x86_64|amd64|aarch64|arm64|ppc64le|s390x)$/;
  if (!knows.test(architecture)) {
    return {
      message: `There is no PyTorch for ${host} (${system}, ${architecture}).`,
      remedy: 'Choose a 64-bit machine.',
    };
  }
  return null;
}
