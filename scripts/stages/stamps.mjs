// Whether a stage must run again: its stamp holds the fingerprint of its inputs.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {import('./runner.mjs').Stage} Stage */

const leftovers = /^(node_modules|__pycache__|\.DS_Store|.*\.pyc)$/;

/**
 * The stamps of one checkout, in one folder.
 * @param {string} root
 * @param {string} folder
 */
export function createStamps(root, folder) {
  /** @param {string} name @param {string} kind */
  const at = (name, kind = '') => join(folder, `${name}${kind}`);
  mkdirSync(folder, { recursive: true });

  /** @param {Stage} stage @param {string[]} keysOfNeeds */
  function key(stage, keysOfNeeds) {
    const hash = createHash('sha256').update(JSON.stringify(keysOfNeeds));
    for (const file of filesOf(root, stage)) {
      const content = readFileSync(join(root, file));
      const counted = stage.digest?.(file, content.toString()) ?? content;
      hash.update(JSON.stringify([file, counted.length])).update(counted);
    }
    return hash.digest('hex');
  }

  return {
    key,
    /** @param {Stage} stage @param {string} wantedKey */
    isFresh(stage, wantedKey) {
      if (stage.isDone && !stage.isDone()) return false;
      if (!(stage.outputs ?? []).every((path) => existsSync(join(root, path)))) return false;
      if (!stage.inputs) return true;
      const stamp = read(at(stage.name));
      if (!stamp?.outputs.every((path) => existsSync(path))) return false;
      return stamp.key === wantedKey || (stage.isInstaller === true && isNewest(at(stage.name), root, stage));
    },
    /** Whether the last run was killed: it leaves this file behind. @param {string} name */
    wasInterrupted: (name) => existsSync(at(name, '.begun')),
    /** @param {string} name */
    begin(name) {
      rmSync(at(name), { force: true });
      writeFileSync(at(name, '.begun'), '');
    },
    /** Marks a run as ended, whether it succeeded or failed. @param {string} name */
    settle: (name) => rmSync(at(name, '.begun'), { force: true }),
    /** @param {string} name @param {string} newKey @param {string[]} outputs Absolute paths that must keep existing. */
    write(name, newKey, outputs) {
      writeFileSync(at(name, '.new'), `${JSON.stringify({ key: newKey, outputs })}\n`);
      renameSync(at(name, '.new'), at(name));
    },
    /** @param {string} name */
    drop(name) {
      for (const kind of ['', '.begun']) rmSync(at(name, kind), { force: true });
    },
    /** @param {string} name */
    lockOf: (name) => at(name, '.lock'),
  };
}

/** @param {string} file @returns {{ key: string, outputs: string[] } | undefined} */
function read(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  try {
    const { key = '', outputs = [] } = JSON.parse(text);
    return { key, outputs };
  } catch {
    // made by `touch`: the stage then counts as done until its inputs change
    return { key: '', outputs: [] };
  }
}

/** Whether no input changed after the stamp, as make decides it. @param {string} stamp @param {string} root @param {Stage} stage */
function isNewest(stamp, root, stage) {
  const time = statSync(stamp).mtimeMs;
  return [...filesOf(root, stage)].every((file) => statSync(join(root, file)).mtimeMs <= time);
}

/** @param {string} root @param {Stage} stage @returns {Generator<string>} */
function* filesOf(root, { inputs = [], except = [] }) {
  for (const input of inputs) yield* filesUnder(root, input, new Set(except));
}

/** @param {string} root @param {string} path @param {Set<string>} except @returns {Generator<string>} */
function* filesUnder(root, path, except) {
  if (except.has(path)) return;
  const found = statSync(join(root, path), { throwIfNoEntry: false });
  if (found?.isFile()) yield path;
  if (!found?.isDirectory()) return;
  for (const name of readdirSync(join(root, path)).sort()) {
    if (!leftovers.test(name)) yield* filesUnder(root, `${path}/${name}`, except);
  }
}
