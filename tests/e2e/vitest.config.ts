import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import { LongestFirst } from './sequencer.ts';

// what CI has no time for, and tests on the wire or other windows cover in part: `make test-more`
const MORE = ['LMT_MORE', 'LMT_WRITE_THEMES', 'RETAKE_SCREENSHOTS'].some((name) => process.env[name]);
const longer = MORE ? [] : ['busy.test.ts', 'loading.test.ts', 'reload.test.ts', 'themes.test.ts'];
// it only takes pictures: `make gallery`
if (!process.env['LMT_PICTURES']) longer.push('gallery.test.ts');

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: {
    globalSetup: './globalSetup.ts',
    include: ['**/*.test.ts'],
    exclude: [...configDefaults.exclude, ...longer],
    // Two workbenches at a time: a window waits half of its time.
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // each test goes on from where the one before left the window
    bail: 1,
    testTimeout: 240_000,
    // The first start on a fresh machine installs a browser and code-server.
    hookTimeout: 600_000,
    teardownTimeout: 30_000,
    // one second, the default, is short for a window that draws without a GPU; and each look takes its processor's time
    expect: { poll: { timeout: 20_000, interval: 250 } },
  },
});
