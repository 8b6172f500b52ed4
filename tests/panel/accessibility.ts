import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Place } from './reading.ts';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What depends on the theme, of all that axe-core looks for. */
const BY_COLOUR = ['color-contrast'];

/** What axe-core finds in a frame, one line an element; `colours`: in its colours alone, which is quick. */
export async function seriousFindings(frame: Place, colours = false): Promise<string[]> {
  const root = frame.locator('html');
  const known = await root.evaluate(() => 'axe' in window);
  // a script element would be refused by the panel's content security policy
  if (!known) await root.evaluate(`${source}; undefined`);
  // colours on their way from one to another have the contrast of neither
  await root.evaluate(async () => {
    const changing = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(changing.map(({ finished }) => finished));
  });
  const options = { resultTypes: ['violations'], ...(colours && { runOnly: BY_COLOUR }) };
  const { violations } = (await root.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as AxeResults;
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary = '' }) => `${id}: ${target.join(' ')}: ${firstReason(failureSummary)}`),
  );
}

/** "Fix any of the following:\n  reason\n  another" → "reason" */
const firstReason = (summary: string): string => summary.split('\n')[1]?.trim() ?? '';
