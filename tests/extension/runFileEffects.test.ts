import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readRun, withOrigin } from '../../extension/src/runs/runFile';

const FILE = readFileSync(new URL('../vectors/runs/ioi.run.json', import.meta.url), 'utf8');
const EFFECTS = ' "effects": {\n  "metric": {},\n  "units": [\n   {"unit": "X0_1", "from": 1}\n  ]\n },\n';

it('a run file with effects is read and moved like one without', () => {
  const measured = FILE.replace(/ "notices":/, `${EFFECTS}$&`);
  expect(measured).toContain('"effects"');
  expect(readRun(measured)).toEqual(readRun(FILE));
  const moved = withOrigin(measured, { file: 'a.prompt', start: 0, end: 4 });
  expect(readRun(moved).origin).toMatchObject({ file: 'a.prompt' });
  expect(withOrigin(moved, null)).toBe(withOrigin(measured, null));
});
