/* global window, document, CanvasRenderingContext2D, queueMicrotask, requestAnimationFrame, KeyboardEvent, Event, MessageChannel -- functions that run in the page */
/**
 * Frame times of the graph in a real browser with software rendering: `node tests/benchmarks/rendering.mjs`.
 *
 * The development page shows synthetic analyses. A real pointer drags the slider and the graph; printed are, over the
 * frames that drew something, the time until the next frame could begin (at best 16.7 ms) and the script's own time
 * (the events before the frame and the drawing), median and 95th percentile.
 *
 * `--acts` alone, and after all cases: a step of the threshold, a selection and an unfold, from the event to its paint, at
 * 30 layers and 2,000 tokens.
 *
 * `--first-paint FOLDER [FILE]` instead takes payloads, `<tokens>.msgpack` as `lm-transparency bench --payloads FOLDER`
 * writes them: seconds from the arrival of each in the page to the first painted graph, as JSON into FILE.
 */
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { ensureBrowser } from '../../scripts/host/browser.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const page = pathToFileURL(path.join(here, '../../webview/dist/dev.html')).href;

/** A result of `encode_payload`, shown besides: `RECORDING=file node tests/benchmarks/rendering.mjs recording`. */
const recording = process.env.RECORDING;

const CASES = [
  { sample: '30x128', threshold: 0.01, goalMs: 33 },
  // Not more than 4 ms a frame over the one before.
  { sample: '30x128', threshold: 0.01, goalMs: 33, ink: 'effect' },
  { sample: '80x512', threshold: 0.01, goalMs: 50, grouping: 'token' },
  // Fifty edges in every row; grouped as it opens, and with a column for each token.
  { sample: '30x2000', threshold: 0.01, goalMs: 50 },
  { sample: '30x2000', threshold: 0.01, goalMs: 50, grouping: 'token' },
  ...(recording ? [{ sample: 'recording', threshold: 0.01, goalMs: 50 }] : []),
];
const LONG = { sample: '30x2000', threshold: 0.01 };
const STEPS = 300;
/** Between two moves of the pointer: every frame has one, and the picture is never the one before. */
const STEP_MS = 8;

/** Counts frames in the page: when each began, which drew the graph, and how long the script took for it. */
function countFrames() {
  const frames = { starts: [], own: new Map(), drawn: new Set(), spent: 0, now: 0, running: false };
  const request = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) =>
    request((now) => {
      frames.now = now;
      const began = performance.now();
      try {
        callback(now);
      } finally {
        // The events before a frame belong to it: they made it necessary.
        frames.own.set(now, (frames.own.get(now) ?? 0) + performance.now() - began + frames.spent);
        frames.spent = 0;
      }
    });
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    if (['graph-canvas', 'lens-grid'].includes(this.canvas.dataset.testid)) frames.drawn.add(frames.now);
    return clearRect.apply(this, box);
  };
  let began = 0;
  for (const type of ['pointermove', 'input']) {
    window.addEventListener(type, () => (began = performance.now()), { capture: true });
    // Signals draw components in microtasks, after the event.
    window.addEventListener(type, () => queueMicrotask(() => (frames.spent += performance.now() - began)));
  }
  const tick = (now) => {
    if (!frames.running) return;
    frames.starts.push(now);
    request(tick);
  };
  window.frameTimes = {
    start() {
      Object.assign(frames, { starts: [], spent: 0, running: true });
      frames.own.clear();
      frames.drawn.clear();
      request(tick);
    },
    stop() {
      frames.running = false;
      const { starts, drawn, own } = frames;
      const at = starts.map((_, i) => i).filter((i) => i + 1 < starts.length && drawn.has(starts[i]));
      return { deltas: at.map((i) => starts[i + 1] - starts[i]), own: at.map((i) => own.get(starts[i]) ?? 0) };
    },
  };
}

function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}

async function drag(tab, from, to) {
  await tab.mouse.move(from.x, from.y);
  await tab.mouse.down();
  await tab.evaluate(() => window.frameTimes.start());
  const moves = [];
  for (let step = 1; step <= STEPS; step++) {
    // There and back, so that every position is passed twice.
    const along = step <= STEPS / 2 ? (2 * step) / STEPS : 2 - (2 * step) / STEPS;
    moves.push(tab.mouse.move(from.x + (to.x - from.x) * along, from.y + (to.y - from.y) * along));
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
  await Promise.all(moves);
  const times = await tab.evaluate(() => window.frameTimes.stop());
  await tab.mouse.up();
  return times;
}

async function measure(browser, { sample, threshold, goalMs, grouping, ink }) {
  const tab = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await tab.addInitScript(countFrames);
  await tab.route('http://recording.local/', (route) =>
    route.fulfill({ path: recording, headers: { 'access-control-allow-origin': '*' } }),
  );
  const what = sample === 'recording' ? 'payload=http://recording.local/' : `sample=${sample}`;
  await tab.goto(`${page}?${what}&theme=dark`, { timeout: 240_000 });
  const typed = tab.locator('[data-testid=threshold-value]');
  await typed.waitFor({ timeout: 120_000 });
  if (grouping) await tab.locator('[data-testid=grouping]').selectOption(grouping);
  await typed.fill(String(threshold));
  await typed.press('Enter');
  if (ink) {
    await tab.locator(`[data-testid=ink-${ink}]`).click();
    await tab.locator('[data-testid=effect-line] .metric').waitFor({ timeout: 60_000 });
    // all is measured, so that nothing else changes the picture
    await tab.locator('[data-testid=trust-said]').waitFor({ timeout: 60_000 });
    await tab.locator('[data-testid=trust-going]').waitFor({ state: 'detached', timeout: 60_000 });
  }
  await tab.waitForTimeout(800);
  const edges = await tab.locator('[data-testid=edge-count]').textContent();

  const slider = await tab.locator('[data-testid=threshold]').boundingBox();
  const y = slider.y + slider.height / 2;
  const name = [sample, grouping, ink].filter(Boolean).join(' ');
  const report = (what, times) => {
    const figure = (values) => `${quantile(values, 0.5).toFixed(1)} / ${quantile(values, 0.95).toFixed(1)}`;
    const met = Math.round(quantile(times.deltas, 0.5)) <= goalMs ? 'met' : 'missed';
    console.log(
      `${name.padEnd(14)} ${what.padEnd(8)} frame ${figure(times.deltas).padEnd(14)} own ${figure(times.own).padEnd(14)} ms (median / p95, ${times.deltas.length} frames; goal ${goalMs} ms: ${met})`,
    );
  };
  const canvas = await tab.locator('[data-testid=graph-canvas]').boundingBox();
  // Panning needs something beside the plot.
  await tab.mouse.move(canvas.x + canvas.width / 2, canvas.y + canvas.height / 2);
  await tab.keyboard.down('Control');
  await tab.mouse.wheel(0, -60);
  await tab.keyboard.up('Control');
  await tab.waitForTimeout(400);
  console.log(`${name}, threshold ${threshold}: ${edges}`);
  const middle = { x: canvas.x + canvas.width * 0.7, y: canvas.y + canvas.height * 0.3 };
  report('pan', await drag(tab, middle, { x: middle.x - 220, y: middle.y + 60 }));
  await tab.locator('.stage').focus();
  await tab.keyboard.press('f');
  await tab.waitForTimeout(400);
  const atThreshold = await tab.evaluate(() => {
    const { min, max, value } = document.querySelector('[data-testid=threshold]');
    return (Number(value) - Number(min)) / (Number(max) - Number(min));
  });
  const left = slider.x + 6 + atThreshold * (slider.width - 12);
  report('slider', await drag(tab, { x: left, y }, { x: left + slider.width * 0.2, y }));
  await tab.locator('[data-testid=view-lens]').click();
  await tab.waitForTimeout(1500);
  report('lens pan', await drag(tab, middle, { x: middle.x - 220, y: middle.y + 60 }));
  await tab.close();
}

const ACTS = 30;

/** Milliseconds from the i-th act of a kind in the page to the task after the frame that shows it. */
function timeAct(act, i) {
  const stage = document.querySelector('.stage');
  const slider = document.querySelector('[data-testid=threshold]');
  const press = (key) => stage.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  const nth = (selector, i) => {
    const found = [...document.querySelectorAll(selector)];
    return found[i % found.length];
  };
  const acts = {
    threshold: (i) => {
      slider.value = String(Number(slider.value) + (i % 2 ? -1 : 1) * 0.002);
      slider.dispatchEvent(new Event('input', { bubbles: true }));
    },
    selection: (i) => nth('[data-testid=twin] [data-name]', i).click(),
    unfold: (i) => nth(i % 2 ? '.group-line' : '.fold', i % 2 ? 0 : i / 2).click(),
    'unfold all': () => press('u'),
  };
  const painted = () =>
    new Promise((resolve) =>
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = resolve;
        port2.postMessage(null);
      }),
    );
  return (async () => {
    const began = performance.now();
    acts[act](i);
    await painted();
    return performance.now() - began;
  })();
}

/** Processor time of the page's main thread so far. */
async function processorMs(session) {
  const { metrics } = await session.send('Performance.getMetrics');
  return 1000 * metrics.find(({ name }) => name === 'TaskDuration').value;
}

/**
 * A step of the threshold, a selection and an unfold, each from the event to its paint; and the processor time of the page's
 * main thread, which a busy machine does not lengthen.
 */
async function measureActs(browser, { sample, threshold }) {
  const tab = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  // what the backend takes is not the panel's time
  await tab.goto(`${page}?sample=${sample}&theme=dark&slow=600000`, { timeout: 240_000 });
  const typed = tab.locator('[data-testid=threshold-value]');
  await typed.waitFor({ timeout: 120_000 });
  const session = await tab.context().newCDPSession(tab);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  for (const value of ['auto', String(threshold)]) {
    await typed.fill(value);
    await typed.press('Enter');
    await tab.waitForTimeout(800);
    const edges = await tab.locator('[data-testid=edge-count]').textContent();
    console.log(`${sample}, threshold ${value}: ${edges}`);
    for (const [act, goalMs] of Object.entries({ threshold: 33, selection: 33, unfold: 33, 'unfold all': 33 })) {
      const [times, own] = [[], []];
      for (let i = 0; i < ACTS; i++) {
        const before = await processorMs(session);
        times.push(await tab.evaluate(`(${timeAct.toString()})(${JSON.stringify(act)}, ${i})`));
        own.push((await processorMs(session)) - before);
        // lists follow when the slider rests: no act pays for the one before
        await tab.waitForTimeout(400);
      }
      const p95 = quantile(times, 0.95);
      const figure = (values) => `${quantile(values, 0.5).toFixed(1)} / ${quantile(values, 0.95).toFixed(1)}`;
      const met = Math.round(p95) <= goalMs ? 'met' : 'missed';
      console.log(
        `${sample.padEnd(14)} ${act.padEnd(12)} act to paint ${figure(times).padEnd(14)} own ${figure(own).padEnd(14)} ms (median / p95 of ${times.length}; goal ${goalMs} ms: ${met})`,
      );
    }
  }
  await tab.close();
}

/** When the analysis arrives in the page, and when the first drawing of its graph has been painted. */
function timeFirstPaint() {
  const times = (window.firstPaint = { arrived: 0, painted: 0 });
  window.addEventListener(
    'message',
    ({ data }) => {
      if (data?.type === 'analysis') times.arrived ||= performance.now();
    },
    { capture: true },
  );
  const { clearRect } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    if (this.canvas.dataset.testid === 'graph-canvas' && times.arrived && !times.asked) {
      times.asked = true;
      // The task after the frame that draws: it has been painted.
      window.requestAnimationFrame(() => setTimeout(() => (times.painted = performance.now())));
    }
    return clearRect.apply(this, box);
  };
}

const PAINTS = 3;

/** Median over a few fresh pages. */
async function firstPaint(browser, file) {
  const seconds = [];
  for (let i = 0; i < PAINTS; i++) {
    const tab = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await tab.addInitScript(timeFirstPaint);
    await tab.route('http://recording.local/', (route) =>
      route.fulfill({ path: file, headers: { 'access-control-allow-origin': '*' } }),
    );
    await tab.goto(`${page}?payload=http://recording.local/&theme=dark`, { timeout: 240_000 });
    await tab.waitForFunction(() => window.firstPaint.painted > 0, null, { timeout: 120_000 });
    await tab.locator('[data-testid=edge-count]', { hasText: /\d/ }).waitFor();
    const { arrived, painted } = await tab.evaluate(() => window.firstPaint);
    seconds.push((painted - arrived) / 1000);
    await tab.close();
  }
  return quantile(seconds, 0.5);
}

async function firstPaints(browser, folder, out) {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.msgpack'));
  const found = {};
  for (const name of names.sort((a, b) => parseInt(a, 10) - parseInt(b, 10))) {
    const tokens = parseInt(name, 10);
    found[tokens] = await firstPaint(browser, path.resolve(folder, name));
    console.log(`${String(tokens).padStart(8)} tokens: first paint ${found[tokens].toFixed(3)} s after the payload`);
  }
  if (out) await writeFile(out, `${JSON.stringify(found)}\n`);
}

const browser = await chromium.launch({
  executablePath: await ensureBrowser(),
  args: ['--headless=new', '--no-sandbox', '--disable-gpu', '--use-gl=swiftshader', '--no-first-run'],
});
try {
  const [first, ...rest] = process.argv.slice(2);
  const wanted = first === undefined ? [] : [first, ...rest];
  if (first === '--first-paint') await firstPaints(browser, ...rest);
  else if (first === '--acts') await measureActs(browser, LONG);
  else for (const each of CASES) if (wanted.length === 0 || wanted.includes(each.sample)) await measure(browser, each);
  if (wanted.length === 0) await measureActs(browser, LONG);
} finally {
  await browser.close();
}
