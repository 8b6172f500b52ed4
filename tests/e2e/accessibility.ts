import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { FrameLocator } from 'playwright-core';

const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds serious or worse in a frame, one line an element. */
export async function seriousFindings(frame: FrameLocator): Promise<string[]> {
  const root = frame.locator('html');
  const known = await root.evaluate(() => 'axe' in window);
  // a script element would be refused by the panel's content security policy
  if (!known) await root.evaluate(`${source}; undefined`);
  // colours on their way from one to another have the contrast of neither
  await root.evaluate(async () => {
    const changing = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    await Promise.allSettled(changing.map(({ finished }) => finished));
  });
  const { violations } = (await root.evaluate(`axe.run(document, { resultTypes: ['violations'] })`)) as AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary = '' }) => `${id}: ${target.join(' ')}: ${firstReason(failureSummary)}`),
    );
}

/** "Fix any of the following:\n  reason\n  another" → "reason" */
const firstReason = (summary: string): string => summary.split('\n')[1]?.trim() ?? '';
