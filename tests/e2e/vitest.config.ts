import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  test: {
    include: ['**/*.test.ts'],
    // One workbench at a time: several browsers and language models would only slow each other down.
    pool: 'forks',
    maxWorkers: 1,
    // each test goes on from where the one before left the window
    bail: 1,
    fileParallelism: false,
    testTimeout: 240_000,
    // The first start on a fresh machine installs a browser and code-server.
    hookTimeout: 600_000,
    teardownTimeout: 30_000,
    // one second, the default, is short for a window that draws without a GPU
    expect: { poll: { timeout: 20_000 } },
  },
});
