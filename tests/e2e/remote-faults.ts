import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { FrameLocator, Page } from 'playwright-core';
import { afterAll, describe, expect, test } from 'vitest';
import { kill, openFile, type RemoteMachine, runCommand, waitUntil, webviewFrame } from './harness/index.ts';
import { COMPARED } from '../panel/reading.ts';
import { analyze, nextGraph } from './product.ts';
import type { FarView } from './remote-steps.ts';

/** A window that is connected to a machine behind ssh. */
export interface RemoteWindow {
  far: RemoteMachine;
  view: FarView;
  page: Page;
}

const PATIENCE_MS = 120_000;

/** Every break in every moment; else each break, and each moment, once. */
export const EVERY = Boolean(process.env['LMT_MORE']);
type Moment = 'idle' | 'analysis' | 'load' | 'measuring';

/** Declares tests that break the link and the server of a window, whose active editor is `prompt`. */
export function faultTests(window: () => RemoteWindow, { prompt, long }: { prompt: string; long: string }): void {
  const counts = { injected: 0, survived: 0 };
  const links = () => window().view.links();
  const breaks: [string, Moment[], () => number[], NodeJS.Signals][] = [
    ['ssh is killed', ['measuring', 'load'], links, 'SIGKILL'],
    ["sshd's session is killed", ['analysis'], () => window().far.sessions(), 'SIGKILL'],
    ['ssh is frozen', ['idle'], links, 'SIGSTOP'],
  ];

  afterAll(() => console.log(`faults injected: ${counts.injected}, survived: ${counts.survived}`));

  describe.each(breaks)('when %s', (_, usual, pids, signal) => {
    const when = (moment: Moment) => test.runIf(EVERY || usual.includes(moment));

    /** Breaks the link in the middle of something, and sees that it comes back to the same process. */
    async function survive(middle: () => Promise<() => Promise<void>>, loads: number): Promise<void> {
      const { view } = window();
      const before = { servers: view.servers(), loads: view.count(': Loaded '), lost: view.count('was lost') };
      counts.injected += 1;
      const after = await middle();
      await after();
      await waitUntil(() => links().length === 1, 'one link, and the broken one gone');
      // a link that is still being made would be met by the next break
      await inspect(webviewFrame(window().page), 5 + counts.injected);
      expect(view.servers()).toEqual(before.servers);
      expect(view.count(': Loaded ') - before.loads).toBe(loads);
      expect(view.count('was lost')).toBe(before.lost + 1);
      counts.survived += 1;
    }

    const breakIt = () => pids().forEach((pid) => kill(pid, signal));

    when('idle')('while nothing runs, what is on screen can be asked on', async () => {
      const { page, view } = window();
      const analyses = view.count('Analyzed');
      await survive(async () => {
        const lost = view.count('was lost');
        const begun = Date.now();
        breakIt();
        return async () => {
          await waitUntil(() => view.count('was lost') > lost && view.servers().length === 1, 'noticed', 60_000);
          const frame = webviewFrame(page);
          await frame.locator('[data-testid=offline]').waitFor({ state: 'hidden', timeout: 30_000 });
          await inspect(frame, 5);
          console.log(`when ${_}: answered after ${((Date.now() - begun) / 1000).toFixed(1)} s`);
        };
      }, 0);
      expect(view.count('Analyzed')).toBe(analyses);
    });

    when('measuring')('while effects are measured, those that are known stay, and the others follow', async () => {
      const { page, view } = window();
      const frame = webviewFrame(page);
      const going = frame.locator('[data-testid=trust-going]');
      // a token that no other test asks about
      await frame.locator('[data-testid=token-18]').first().click();
      await frame.locator('[data-testid=list-edge]').click();
      let known: Record<string, string> = {};
      await survive(async () => {
        const end = slowDown(view.servers()[0] ?? 0);
        try {
          const some = async () => Object.keys((known = await measuredEdges(frame))).length;
          await expect.poll(some, { timeout: PATIENCE_MS, interval: 20 }).toBeGreaterThan(0);
          await going.waitFor();
          breakIt();
        } finally {
          end();
        }
        expect(await measuredEdges(frame)).toMatchObject(known);
        return async () => {
          await allMeasured(frame);
          const all = await measuredEdges(frame);
          expect(all).toMatchObject(known);
          expect(Object.keys(all).length).toBeGreaterThan(Object.keys(known).length);
          await frame.locator('[data-testid=list-routes]').click();
        };
      }, 0);
    });

    when('analysis')('during an analysis, it is drawn nevertheless', async () => {
      await survive(() => broken(/layer \d+ of 30/, breakIt), 0);
    });

    when('load')('while a model loads, it is loaded once', async () => {
      const { page } = window();
      await runCommand(page, 'LM Transparency: Unload Model');
      await page.getByText('LM Transparency: model unloaded').waitFor();
      await survive(() => broken(/reading weights of smollm2/i, breakIt), 1);
    });
  });

  /** Analyzes, and breaks something when the panel says `stage`; resolves with the wait for the drawing. */
  async function broken(stage: RegExp, breakIt: () => void): Promise<() => Promise<void>> {
    const { page, view } = window();
    const [server = 0] = view.servers();
    const loads = view.count(': Loaded ');
    const analyses = view.count('Analyzed');
    const end = slowDown(server);
    let drawn: Promise<unknown> = Promise.resolve();
    try {
      const begin = () => runCommand(page, 'LM Transparency: Analyze Prompt');
      await new Promise<void>((begun, failed) => {
        drawn = nextGraph(page, () => begin().then(begun, failed), PATIENCE_MS);
        // whoever breaks it for good waits for no drawing
        drawn.catch(() => undefined);
      });
      // looked for often: it may be over in less than the half second between two looks of `waitFor`
      const isThere = () => webviewFrame(page).getByText(stage).first().isVisible();
      await expect.poll(isThere, { timeout: PATIENCE_MS, interval: 20 }).toBe(true);
      expect([view.count(': Loaded '), view.count('Analyzed')]).toEqual([loads, analyses]);
      breakIt();
    } finally {
      end();
    }
    return async () => void (await drawn);
  }

  test('a server that is killed in an analysis is reported and restarted, and the next analysis works', async () => {
    const { page, view } = window();
    const [before = 0] = view.servers();
    counts.injected += 1;
    await broken(/layer \d+ of 30/, () => kill(before, 'SIGKILL'));
    const frame = webviewFrame(page);
    // over a graph that was there before, or in its place
    await frame.getByText('was killed by the system').waitFor({ timeout: 30_000 });
    await waitUntil(() => view.servers().some((pid) => pid !== before), 'another server', 60_000);
    await nextGraph(page, () => frame.getByRole('button', { name: 'Try Again' }).click(), PATIENCE_MS);
    expect(view.servers()).toHaveLength(1);
    counts.survived += 1;
  });

  // over the wire: tests/python/server/test_shared_load.py
  test.runIf(EVERY)('memory that does not suffice is said, the model stays, and the next analysis works', async () => {
    const { page, view } = window();
    const [server = 0] = view.servers();
    const loads = view.count(': Loaded ');
    counts.injected += 1;
    // what is measured meanwhile would need memory, too
    await allMeasured(webviewFrame(page));
    // as `ulimit -v` does it; the maps of a long prompt need more
    limitMemory(server, sizeOf(server) + 40_000_000);
    await openFile(page, long);
    await runCommand(page, 'LM Transparency: Analyze Prompt');
    // told before that it will not fit
    await page.locator('.notifications-toasts').getByRole('button', { name: 'Run', exact: true }).click();
    const failed = webviewFrame(page).getByRole('alert');
    await failed.waitFor({ timeout: PATIENCE_MS });
    expect(await failed.textContent()).toMatch(/need about .* were free.*The model is still loaded/);
    limitMemory(server, 'unlimited');
    await openFile(page, prompt);
    await analyze(page);
    expect(view.servers()).toEqual([server]);
    expect(view.count(': Loaded ')).toBe(loads);
    counts.survived += 1;
  });
}

/** Waits until effects are measured as far as the setting allows, and the drawing is compared. */
export async function allMeasured(frame: FrameLocator): Promise<void> {
  const said = frame.locator('[data-testid=trust-said]', { hasText: COMPARED });
  await said.waitFor({ timeout: PATIENCE_MS });
  await frame.locator('[data-testid=trust-going]').waitFor({ state: 'detached', timeout: PATIENCE_MS });
}

/** The effects in the list of edges that are measured, by edge. */
async function measuredEdges(frame: FrameLocator): Promise<Record<string, string>> {
  const all = frame.getByRole('button', { name: /^Show (all|\d+ of) / });
  if ((await all.count()) > 0) await all.click();
  const rows = await frame
    .locator('[data-testid=effects-edge] button')
    .evaluateAll((buttons) =>
      buttons.map((one) => [one.getAttribute('data-unit') ?? '', one.querySelector('.truth')?.textContent ?? '']),
    );
  return Object.fromEntries(rows.filter(([, figure]) => figure !== '')) as Record<string, string>;
}

async function inspect(frame: FrameLocator, position: number): Promise<void> {
  await frame.locator(`[data-testid=token-${position}]`).first().click();
  await frame.locator('[data-testid=auto]').click();
  const all = frame.getByRole('button', { name: /^Show all/ });
  if ((await all.count()) > 0) await all.click();
  await frame.locator(`[data-testid=twin] [data-name="I9_${position}"]`).click();
  await frame.locator('[data-testid=top-tokens] li').first().waitFor({ timeout: 60_000 });
}

/** Lets a process run a twentieth of the time, so that it can be met in the middle of something; ends by what it returns. */
function slowDown(pid: number): () => void {
  let rest: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    kill(pid, 'SIGCONT');
    rest = setTimeout(() => kill(pid, 'SIGSTOP'), 4);
  }, 80);
  return () => {
    clearInterval(timer);
    clearTimeout(rest);
    kill(pid, 'SIGCONT');
  };
}

function limitMemory(pid: number, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--as=${bytes}:unlimited`]);
}

/** Virtual memory in bytes. */
function sizeOf(pid: number): number {
  return 1024 * Number(/VmSize:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
