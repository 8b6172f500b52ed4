// What holds the window up for over 50 ms, and whose it is.
import type { Page } from 'playwright-core';

/** In milliseconds. The workbench and the page of a panel are same-origin frames here, on one thread. */
export interface LongTasks {
  workbench: number[];
  /** Of the panel's frame alone; and what its scripts took in frames that were long, whoever else was at work in them. */
  panel: number[];
  /** Of both in one, as drawing is. */
  both: number[];
  /** From a key to the paint after it. */
  keys: number[];
}

type Watching = typeof globalThis & { longTasks: LongTasks };

/** Begins to watch; the window's own scripts know nothing of it. */
export function watchLongTasks(page: Page): Promise<void> {
  return page.evaluate(() => {
    const found: LongTasks = { workbench: [], panel: [], both: [], keys: [] };
    (globalThis as Watching).longTasks = found;
    const watch = (options: object, told: (entry: PerformanceEntry) => void) =>
      new PerformanceObserver((list) => list.getEntries().forEach(told)).observe(options as PerformanceObserverInit);
    watch({ type: 'event', durationThreshold: 16 }, ({ name, duration }) => {
      if (name === 'keydown') found.keys.push(duration);
    });
    watch({ type: 'longtask' }, ({ name, duration }) => {
      const whose = name === 'self' ? 'workbench' : name === 'same-origin-descendant' ? 'panel' : 'both';
      found[whose].push(duration);
    });
    watch({ type: 'long-animation-frame' }, (frame) => {
      const { scripts } = frame as PerformanceEntry & { scripts: { sourceURL: string; duration: number }[] };
      const own = scripts.filter(({ sourceURL }) => sourceURL.endsWith('/dist/webview/main.js'));
      const duration = own.reduce((sum, script) => sum + script.duration, 0);
      if (duration > 50) found.panel.push(duration);
    });
  });
}

/** What was found since it was last asked. */
export function takeLongTasks(page: Page): Promise<LongTasks> {
  return page.evaluate(() => {
    const found = (globalThis as Watching).longTasks;
    const taken = structuredClone(found);
    for (const list of Object.values(found) as number[][]) list.length = 0;
    return taken;
  });
}

/** The longest, in milliseconds. */
export const worst = (values: number[]) => Math.round(Math.max(0, ...values));

export function inWords({ workbench, panel, both, keys }: LongTasks): string {
  const told = (whose: string, tasks: number[]) => `${whose} ${tasks.length} of at most ${worst(tasks)} ms`;
  const all = [told("the workbench's", workbench), told("the panel's", panel), told('of both in one', both)];
  return `key to paint at most ${worst(keys)} ms; long tasks: ${all.join(', ')}`;
}

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** Microseconds since the machine started, and of the clock on the wall. */
  ts: number;
  dur?: number;
  args: { name?: string };
  /** Microseconds of the processor's time. */
  tdur?: number;
}

/** Milliseconds of the processor's time: what the window waits for the processor, which others want too, is not in it. */
export interface Work {
  /** At most at once, but for what V8 takes to collect the garbage of the whole window. */
  atOnce: number;
  /** That, at most at once. */
  collecting: number;
}

export const workInWords = ({ atOnce, collecting }: Work) =>
  `of the processor's time at most ${atOnce} ms at once, and ${collecting} ms of V8's collecting`;

/** Does `work`; how long the window's thread was at work without a break meanwhile. */
export async function longestWork<T>(page: Page, work: () => Promise<T>): Promise<[T, Work]> {
  const browser = page.context().browser();
  if (!browser) throw new Error('the page has no browser of its own');
  await browser.startTracing(page, { categories: ['toplevel', 'v8'] });
  const result = await work();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const place = ({ pid, tid }: TraceEvent) => `${pid} ${tid}`;
  const windows = new Set(traceEvents.filter(({ args }) => args.name === 'CrRendererMain').map(place));
  const events = traceEvents.filter((event) => event.ph === 'X' && windows.has(place(event)));
  const collections = events.filter(({ name }) => name === 'MajorGC');
  const tasks = events.filter(({ name }) => name.endsWith('RunTask'));
  if (tasks.length === 0) throw new Error('the trace holds no task of the window');
  const spent = ({ tdur = 0 }: TraceEvent) => tdur / 1000;
  const within = (task: TraceEvent) => (each: TraceEvent) =>
    place(each) === place(task) && each.ts >= task.ts && each.ts < task.ts + (task.dur ?? 0);
  const own = tasks.map((task) => {
    const collected = collections.filter(within(task)).reduce((sum, each) => sum + spent(each), 0);
    return spent(task) - collected;
  });
  return [result, { atOnce: worst(own), collecting: worst(collections.map(spent)) }];
}
