import type { Cancel } from '../cancel';
import type { Probe } from './findPython';
import { runProcess } from './runProcess';

/** What set-up needs to know about an interpreter in addition. */
export interface FullProbe extends Probe {
  executable: string;
  hasVenv: boolean;
  is64Bit: boolean;
}

// without processor time, an interpreter starting on a busy machine looks like one that hangs
const SILENCE_MS = process.platform === 'win32' ? 120_000 : 20_000;
const MARK = 'lm-transparency-probe:';

/** Prints what an interpreter is; runs on any Python, so that an old one can report its version. */
export const PROBE_SCRIPT = `
import sys, json
def found(name):
    try:
        import importlib.util
        return importlib.util.find_spec(name) is not None
    except Exception:
        return False
backend = None
if found("lm_transparency"):
    backend = "unknown"
    try:
        import importlib.metadata
        backend = importlib.metadata.version("lm-transparency")
    except Exception:
        pass
print("${MARK}" + json.dumps({
    "version": list(sys.version_info[:2]), "backend": backend, "executable": sys.executable,
    "venv": found("venv") and found("ensurepip"), "wide": sys.maxsize > 2 ** 32}))
`;

/** Asks an interpreter what it is. Rejects only when cancelled. */
export async function probePython(
  command: readonly string[],
  where: { cwd: string; env: Record<string, string>; cancel?: Cancel },
): Promise<FullProbe> {
  const result = await runProcess([...command, '-c', PROBE_SCRIPT], { ...where, silenceMs: SILENCE_MS });
  if (result.problem !== '') return failed(result.problem);
  return parseProbe(result.output) ?? failed(`it exited with code ${result.code ?? 'unknown'}`);
}

/** The probe's line among other output. */
export function parseProbe(output: string): FullProbe | null {
  const line = output.split(/\r?\n/).find((text) => text.startsWith(MARK));
  if (line === undefined) return null;
  let told: unknown;
  try {
    told = JSON.parse(line.slice(MARK.length));
  } catch {
    return null;
  }
  if (typeof told !== 'object' || told === null) return null;
  const { version, backend, executable, venv, wide } = told as Record<string, unknown>;
  if (!Array.isArray(version) || typeof version[0] !== 'number' || typeof version[1] !== 'number') return null;
  return {
    version: [version[0], version[1]],
    backend: typeof backend === 'string' ? backend : null,
    executable: typeof executable === 'string' ? executable : '',
    hasVenv: venv === true,
    is64Bit: wide === true,
    problem: '',
  };
}

function failed(problem: string): FullProbe {
  return { version: null, backend: null, executable: '', hasVenv: false, is64Bit: false, problem };
}
