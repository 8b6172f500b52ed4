// The progress of stages: one line for each stage that ends and, on a terminal, a live line that counts the seconds.

/** @typedef {ReturnType<typeof createReport>} Report */

const clearLine = '\r\x1b[2K';

/**
 * @param {{ write(text: string): unknown, columns?: number }} stream
 * @param {{ live?: boolean, now?: () => number }} [options] `live`: the stream is a terminal that nothing else writes to.
 */
export function createReport(stream, { live = false, now = () => performance.now() } = {}) {
  /** @type {Map<string, { begin: number, detail: string }>} */
  const running = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  let timer;

  /** @param {string} line */
  const print = (line) => {
    stream.write(`${live ? clearLine : ''}${line}\n`);
    draw();
  };

  function draw() {
    if (!live) return;
    const parts = [...running].map(
      ([title, { begin, detail }]) => `${title}${detail && ` (${detail})`} ${duration(now() - begin)}`,
    );
    const line = parts.join(' · ');
    const room = (stream.columns ?? 80) - 1;
    stream.write(`${clearLine}${line.length > room ? `${line.slice(0, room - 1)}…` : line}`);
  }

  /** @param {string} title @param {string} before */
  function over(title, before) {
    const entry = running.get(title);
    running.delete(title);
    if (running.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
    print(`${title} … ${before}${duration(now() - (entry?.begin ?? now()))}`);
  }

  return {
    print,
    /** @param {string} title */
    begin(title) {
      running.set(title, { begin: now(), detail: '' });
      if (live) timer ??= setInterval(draw, 1_000).unref();
      draw();
    },
    /** @param {string} title @param {string} detail */
    detail(title, detail) {
      const entry = running.get(title);
      if (entry) entry.detail = detail;
      draw();
    },
    /** @param {string} title */
    end: (title) => over(title, ''),
    /** @param {string} title */
    fail: (title) => over(title, 'failed after '),
    /** Clears the live line before the shell's prompt returns. */
    close() {
      clearInterval(timer);
      if (live) stream.write(clearLine);
    },
  };
}

/** "3.2 s", "41 s", "2 min 5 s" @param {number} milliseconds */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** @typedef {{ name: string, milliseconds: number, failed?: boolean }} StageTime */

/**
 * A table of the stages of a run with their times and the total.
 * @param {StageTime[]} times
 */
export function stageTable(times) {
  const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  /** @type {StageTime[]} */
  const all = [...times, { name: 'together', milliseconds: total }];
  const rows = all.map(({ name, milliseconds, failed }) => {
    const note = failed ? '  failed' : '';
    return `${name.padEnd(10)}${(milliseconds / 1000).toFixed(0).padStart(6)}${note}`;
  });
  return ['', `${'stage'.padEnd(10)}     s`, ...rows].join('\n');
}
