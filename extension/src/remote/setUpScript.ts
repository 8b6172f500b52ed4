import { createHash } from 'node:crypto';
import { PIP_OPTIONS } from '../setUp/setUpSteps';
import type { Bundle } from '../setUp/wheel';
import { quote, quoteAll } from './quote';

/** What the set-up of an environment on another machine depends on. */
export interface RemoteSetUp {
  /** Our folder there. */
  data: string;
  /** Eight hexadecimal digits: the new environment's name. */
  id: string;
  /** The interpreter it is made from. */
  base: string;
  /** The path of uv; empty if there is none. */
  uv: string;
  /** PyTorch without CUDA is enough. */
  cpuOnly: boolean;
  pipArguments: readonly string[];
  version: string;
}

/** A file that travels inside of the script. */
export interface Sent {
  name: string;
  bytes: Uint8Array;
}

const CPU_INDEX = 'https://download.pytorch.org/whl/cpu';
export const STEP = '@step ';
const STATUS = '@status ';

/**
 * The script that builds an environment and installs our wheel into it; a POSIX shell reads it from stdin.
 *
 * The environment counts once `environment.json` names it, and that is written last; an unfinished one is removed.
 */
export function setUpScript(set: RemoteSetUp, files: readonly Sent[]): string {
  const received = files.map(({ name, bytes }) => {
    const text = Buffer.from(bytes)
      .toString('base64')
      .replaceAll(/.{1000}/g, '$&\n');
    const digest = createHash('sha256').update(bytes).digest('hex');
    return `receive ${quote(name)} ${digest} <<'END_OF_FILE'\n${text}\nEND_OF_FILE\n`;
  });
  const wheel = files.find(({ name }) => name.endsWith('.whl'))?.name ?? '';
  const constraints = files.find(({ name }) => name.endsWith('.txt'))?.name ?? null;
  return [beginning(set), ...received, building(set, wheel, constraints)].join('');
}

/** The bundled wheel and its constraints as files to be sent. */
export async function filesOf(bundle: Bundle, read: (file: string) => Promise<Uint8Array>): Promise<Sent[]> {
  const files = [bundle.wheel, ...(bundle.constraints === null ? [] : [bundle.constraints])];
  return Promise.all(files.map(async (file) => ({ name: file.replace(/^.*[\\/]/, ''), bytes: await read(file) })));
}

const RECEIVE = `import base64, hashlib, sys
data = base64.b64decode(sys.stdin.buffer.read())
if hashlib.sha256(data).hexdigest() != sys.argv[2]:
    sys.exit("The file " + sys.argv[1] + " did not arrive whole.")
with open(sys.argv[1], "wb") as file:
    file.write(data)`;

function beginning({ data, id, base }: RemoteSetUp): string {
  return `
set -u
umask 077
data=${quote(data)}
env="$data/env/${id}"
parcel="$data/env/${id}.parcel"
leave() { rm -rf "$parcel" "$data/environment.json.${id}"; [ "$1" -eq 0 ] || rm -rf "$env"; exit "$1"; }
trap 'leave 130' HUP INT TERM PIPE
step() { printf '${STEP}%s\\n' "$1"; }
# runs a command without input; on a full disk another try would only fill it again
attempt() {
  { "$@" </dev/null 2>&1; printf '\\n${STATUS}%s\\n' "$?"; } | {
    full=0
    while IFS= read -r line; do
      case "$line" in
        ${quote(STATUS)}*)
          status="\${line#${STATUS}}"
          [ "$status" -eq 0 ] || [ "$full" -eq 0 ] || status=74
          exit "$status" ;;
        *'No space left on device'* | *'os error 28'* | *'Disk quota exceeded'*) full=1 ;;
      esac
      printf '%s\\n' "$line"
    done
    exit 70
  }
  code=$?
  [ "$code" -ne 74 ] || leave 74
  return "$code"
}
receive() { ${quote(base)} -I -c ${quote(RECEIVE)} "$parcel/$1" "$2" || leave 74; }
step 'Sending the backend'
mkdir -p "$env" "$parcel" || leave 73
`;
}

function building(set: RemoteSetUp, wheel: string, constraints: string | null): string {
  const { base, uv, cpuOnly, pipArguments, version, id } = set;
  const pip = `attempt "$python" -m pip install ${quoteAll(PIP_OPTIONS)}`;
  const install = (words: string, onlyPip = '') => {
    const withPip = `${pip} ${onlyPip} ${words}`;
    return uv === '' ? withPip : `{ attempt ${quote(uv)} pip install --python "$python" ${words} || ${withPip}; }`;
  };
  const extra = quoteAll(pipArguments);
  const bound = constraints === null ? '' : `--constraint "$parcel/"${quote(constraints)}`;
  const make =
    uv === ''
      ? `attempt ${quote(base)} -I -m venv --clear "$env"`
      : `attempt ${quote(uv)} venv --quiet --seed --allow-existing --python ${quote(base)} "$env"`;
  return `
unset PYTHONPATH PYTHONHOME
export PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONNOUSERSITE=1
cd /
step 'Creating an environment'
${make} || leave 71
python="$env/bin/python"
${
  cpuOnly
    ? `step 'Installing PyTorch without CUDA'
${install(`--quiet --index-url ${CPU_INDEX} ${bound} torch`, '--retries 0 --timeout 10')} \\
  || echo 'The index of PyTorch without CUDA is unreachable; using the default one.'`
    : ''
}
step 'Installing the backend'
${install(`${bound} ${extra} "$parcel/"${quote(wheel)}`)} \\
  || ${install(`${extra} "$parcel/"${quote(wheel)}`)} || leave 70
step 'Checking what was installed'
"$python" -I -c 'import torch, transformers, numba, lm_transparency
print("cuda", torch.cuda.is_available())' </dev/null || leave 70
printf '{"folder": "%s", "version": "%s"}\\n' ${id} ${quote(version)} >"$data/environment.json.${id}" || leave 73
mv -f "$data/environment.json.${id}" "$data/environment.json" || leave 73
find "$data/env" -mindepth 1 -maxdepth 1 -mmin +60 ! -name ${id} -exec rm -rf {} + 2>/dev/null
printf '\\nenvironment %s\\n' "$python"
leave 0
`;
}

/** The interpreter of the finished environment; null if it was not finished. */
export function builtPython(output: string): string | null {
  return /^environment (\/.*)$/m.exec(output)?.[1] ?? null;
}
