import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

/** The backend as it travels inside the extension. */
export interface Bundle {
  wheel: string;
  version: string;
  /** Versions that were tested together; null where the file is missing. */
  constraints: string | null;
}

/** Looks for the wheel in the extension's `backend` folder; null in a build without one. */
export async function findBundle(folder: string): Promise<Bundle | null> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const wheels = names.flatMap((name) => {
    const version = wheelVersion(name);
    return version === null ? [] : [{ name, version }];
  });
  const wheel = wheels.at(-1);
  if (!wheel) return null;
  const constraints = path.join(folder, 'constraints.txt');
  const hasConstraints = await stat(constraints).then(
    (found) => found.isFile(),
    () => false,
  );
  return {
    wheel: path.join(folder, wheel.name),
    version: wheel.version,
    constraints: hasConstraints ? constraints : null,
  };
}

/** `lm_transparency-0.1.0-py3-none-any.whl` → `0.1.0`; null for another file. */
export function wheelVersion(name: string): string | null {
  return /^lm_transparency-([^-]+)-[^-]+-[^-]+-[^-]+\.whl$/.exec(name)?.[1] ?? null;
}
